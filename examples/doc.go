// Package examples holds one runnable example per way of connecting. Each runs
// against a local Lakebase in `go test`, and against a real workspace when its
// environment names one; the code is the same.
package examples
