// Package examples holds programs, each of which can be copied as it stands, and a test
// that does that. docs/examples.md lists them; `make examples` runs them all against the
// local Lakebase.
//
// Each runs in the same way against a workspace that its environment names.
package examples
