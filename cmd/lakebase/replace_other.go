//go:build !unix

package main

// replaceProcess runs the program to its end, where a process cannot become
// another program.
func replaceProcess(a *app, program string, command, env []string) error {
	return runChild(a, program, command, env)
}
