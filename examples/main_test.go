package examples

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"testing"

	"github.com/lakebase-go/lakebase/local"
)

// TestMain runs the examples against a local Lakebase, which they find as
// they would find a real one: through the environment.
func TestMain(m *testing.M) {
	code, err := runAgainstLocal(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

func runAgainstLocal(m *testing.M) (code int, err error) {
	slog.SetDefault(slog.New(slog.NewTextHandler(io.Discard, nil))) // keep the examples' output to what they print
	server, err := local.Start(context.Background(), local.Options{})
	if err != nil {
		return 1, err
	}
	defer func() {
		if closeErr := server.Close(); err == nil {
			err = closeErr
		}
	}()
	if err := server.SetNativeLogin("my-project", true); err != nil { // for the example with a password
		return 1, err
	}
	variables, err := server.Env("")
	if err != nil {
		return 1, err
	}
	for _, v := range variables {
		if err := os.Setenv(v.Name, v.Value); err != nil {
			return 1, err
		}
	}
	return m.Run(), nil
}
