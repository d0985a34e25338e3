package local

import "testing"

func TestAddressesMustBeLoopback(t *testing.T) {
	for addr, ok := range map[string]bool{
		"127.0.0.1:0": true, "127.0.0.9:1": true, "[::1]:0": true, "localhost:0": true,
		"0.0.0.0:0": false, ":5432": false, "10.0.0.1:1": false, "example.com:1": false, "127.0.0.1": false,
	} {
		if err := requireLoopback("address", addr); (err == nil) != ok {
			t.Errorf("%s: got %v", addr, err)
		}
	}
}
