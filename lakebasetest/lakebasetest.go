// Package lakebasetest starts a local Lakebase for Go tests.
package lakebasetest

import (
	"testing"

	"github.com/lakebase-go/lakebase/local"
)

// New starts a local Lakebase that ends with the test.
func New(t testing.TB, o ...local.Options) *local.Server { panic("TODO: local helper") }
