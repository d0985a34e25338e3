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
			s R(!=) C(SELECT 1) Z(I)
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
	}
	for name, script := range preparedScripts {
		scripts[name] = script
	}
}
