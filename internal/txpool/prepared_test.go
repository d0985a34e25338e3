package txpool

func init() {
	preparedScripts := map[string]string{
		"the server's names cannot be dropped": `
			c P(s1,select 1) S
			s 1 Z(I)
			> P(lb_1,select 1) S
			< 1 Z(I)
			c Q(deallocate lb_1)
			> C(lb_0) Q(DEALLOCATE "lb_0")
			s 3 E(26000) Z(I)
			< E(26000) Z(I)
			idle
			c P(,deallocate lb_1) B() E S
			> P(,DEALLOCATE "lb_0") C(lb_0) B() E S
			s 1 3 2 E(26000) Z(I)
			< 1 2 E(26000) Z(I)
			idle
			link c1 s2
			c B() E S
			> P(,DEALLOCATE "lb_0") C(lb_0) B() E S
			s 1 3 2 E(26000) Z(I)
			< 2 E(26000) Z(I)
			idle`,
		"statements that a text may drop are counted": `
			c P(s1,select 1) S Q(select 2; deallocate lb_1)
			> P(lb_1,select 1) S Q(select 2; deallocate lb_1)
			s 1 Z(I) C(SELECT 1) C(DEALLOCATE) Z(I)
			< 1 Z(I) C(SELECT 1) C(DEALLOCATE) Z(I)
			busy
			internal
			> Q(inspect PREPARE, lost)
			s T R(!=) C(SELECT 1) Z(I)
			idle
			link c2 s1
			c P(x,select 1) B(x) E S
			> C(lb_1) P(lb_2,select 1) B(lb_2) E S
			s 3 1 2 C(SELECT 1) Z(I)
			< 1 2 C(SELECT 1) Z(I)
			c P(y,deallocate lb_2) B(y) E S
			> P(lb_3,deallocate lb_2) B(lb_3) E S
			s 1 2 C(DEALLOCATE) Z(I)
			< 1 2 C(DEALLOCATE) Z(I)
			internal
			> Q(inspect PREPARE, lost)
			s C(SELECT 0) Z(I)
			c B(x) S
			> B(lb_2) S
			s 2 Z(I)
			< 2 Z(I)
			idle`,
		"a statement that is lost is prepared again": `
			c P(s1,select 1) S B(s1) S
			stalled
			s 1 Z(I)
			c
			s E(26000) Z(I)
			> P(lb_1,select 1) S B(lb_1) S
			< 1 Z(I) E(26000) Z(I)
			c B(s1) S
			> C(lb_1) P(lb_2,select 1) B(lb_2) S
			s 3 1 2 Z(I)
			< 2 Z(I)
			idle`,
		"a result that has changed": `
			c P(s1,select * from t) D(s1) S
			> P(lb_1,select * from t) D(lb_1) S
			s 1 t T(__old) Z(I)
			< 1 t T Z(I)
			link c1 s2
			c B(s1) E S
			> P(lb_1,select * from t) D(lb_1) H
			stalled
			s 1 t T(__new)
			c
			> C(lb_0) P(lb_0,) P(lb_0,SELECT) E S
			s 3 1 E(42P05) Z(I)
			< E(0A000) Z(I)
			idle
			c D(s1) S
			> C(lb_1) P(lb_2,select * from t) D(lb_2) H
			s 3 1 t T(__new)
			c
			> C(lb_0) P(lb_0,) P(lb_0,SELECT) S
			s 3 1 E(25P02) Z(I)
			< E(25P02) Z(I)
			c B(s1) DP E S
			> C(lb_2) P(lb_3,select * from t) D(lb_3) H
			s 3 1 t T(__old)
			c
			> B(lb_3) DP E S
			s 2 T(__old) C(SELECT 1) Z(I)
			< 2 T C(SELECT 1) Z(I)
			c C(s1) P(s1,select * from t) B(s1) S
			> P(lb_4,select * from t) B(lb_4) S
			s 1 2 Z(I)
			< 3 1 2 Z(I)
			idle`,
		"a portal tells what its statement returns": `
			c P(s1,select * from t) B(s1) DP E S
			> P(lb_1,select * from t) B(lb_1) DP E S
			s 1 2 T(__old) C(SELECT 1) Z(I)
			< 1 2 T C(SELECT 1) Z(I)
			link c2 s2
			c P(s,select * from t) S
			> P(lb_1,select * from t) S
			s 1 Z(I)
			< 1 Z(I)
			link c1 s2
			c B(s1) E S
			> D(lb_1) H
			s t n
			c
			> C(lb_1) P(lb_2,select * from t) D(lb_2) H
			s 3 1 t T(__old)
			c
			> B(lb_2) E S
			s 2 C(SELECT 1) Z(I)
			< 2 C(SELECT 1) Z(I)
			idle`,
		"an unnamed statement's result that has changed": `
			c P(,select * from t) D() S
			> P(,select * from t) D() S
			s 1 t T(__old) Z(I)
			< 1 t T Z(I)
			link c1 s2
			c B() E S
			> P(,select * from t) D() H
			stalled
			s 1 t T(__new)
			c
			> C(lb_0) P(lb_0,) P(lb_0,SELECT) E S
			s 3 1 E(42P05) Z(I)
			< E(0A000) Z(I)
			c B() E S
			> P(,select * from t) D() H
			s 1 t T(__old)
			c
			> B() E S
			s 2 C(SELECT 1) Z(I)
			< 2 C(SELECT 1) Z(I)
			idle`,
		"a statement cannot be described": `
			c P(s1,select * from t) D(s1) S
			> P(lb_1,select * from t) D(lb_1) S
			s 1 t T(__old) Z(I)
			< 1 t T Z(I)
			link c1 s2
			c B(s1) E S
			> P(lb_1,select * from t) D(lb_1) H
			s E(42P01)
			c
			> S
			s Z(I)
			< E(42P01) Z(I)
			idle
			c B(s1) E S
			> P(lb_2,select * from t) D(lb_2) H
			s 1 E(57014)
			c
			> S
			s Z(I)
			< E(57014) Z(I)
			c B(s1) E S
			> D(lb_2) H
			s t T(__old)
			c
			> B(lb_2) E S
			s 2 C(SELECT 1) Z(I)
			< 2 C(SELECT 1) Z(I)
			idle`,
		"the client disconnects while its statement is described": `
			c P(s1,select * from t) D(s1) S
			> P(lb_1,select * from t) D(lb_1) S
			s 1 t T(__old) Z(I)
			< 1 t T Z(I)
			link c1 s2
			c B(s1) E S
			> P(lb_1,select * from t) D(lb_1) H
			stalled
			disconnect
			> P(,ROLLBACK) B() E S
			s 1 t T(__new) 1 2 C(ROLLBACK) Z(I)
			< C(ROLLBACK) Z(I)
			idle`,
		"what FETCH returns is another statement's": `
			c P(s1,/* rows */ Fetch/**/c) D(s1) S
			> P(lb_1,/* rows */ Fetch/**/c) D(lb_1) S
			s 1 t T(__old) Z(I)
			< 1 t T Z(I)
			link c1 s2
			c B(s1) E S
			> P(lb_1,/* rows */ Fetch/**/c) D(lb_1) H
			s 1 t T(__new)
			c
			> B(lb_1) E S
			s 2 C(FETCH 1) Z(I)
			< 2 C(FETCH 1) Z(I)
			idle`,
	}
	for name, script := range preparedScripts {
		scripts[name] = script
	}
}
