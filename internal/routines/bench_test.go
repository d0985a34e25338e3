package routines

import "testing"

func BenchmarkRead(b *testing.B) {
	n := readerNames()
	for _, text := range []string{"SELECT abalance FROM accounts WHERE aid = 12345;", "select * from accounts left join orders using (id) join order_items i on (i.o = orders.id), pg_class c where x in (1, 2) and y = any (array[1, 2])"} {
		b.Run(text[:12], func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				n.Read([]byte(text))
			}
		})
	}
}
