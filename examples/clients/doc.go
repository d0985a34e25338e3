// Package clients has programs and tools that are not written in Go, each with a page.
// Its test runs the commands of the pages, as they stand there, against the local Lakebase.
package clients
