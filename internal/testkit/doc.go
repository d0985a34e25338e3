// Package testkit has what tests of several packages need. Only test files
// import it. It imports nothing of this module, so that the internal tests of
// any package may use it.
package testkit
