// Package testkit helps the tests of several packages. Only test files import it.
// It imports nothing of this module, so that internal tests of any package may use
// it.
package testkit
