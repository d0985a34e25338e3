// Package terminal reads from and writes to people: the streams of a command,
// colours, widths and the line that says what is being waited for.
package terminal

import (
	"io"
	"os"

	"golang.org/x/term"
)

// app is where a command reads and writes.
type Streams struct {
	In  io.Reader
	Out io.Writer // results only
	Err io.Writer // everything for people
}

func IsTerminal(stream any) bool {
	f, ok := stream.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}
