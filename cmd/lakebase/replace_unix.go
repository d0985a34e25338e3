//go:build unix

package main

import (
	"syscall"
)

// replaceProcess makes this process the program. It returns only if that
// fails.
func replaceProcess(_ *app, program string, command, env []string) error {
	return &commandError{code: 126, message: program, err: syscall.Exec(program, command, env)}
}
