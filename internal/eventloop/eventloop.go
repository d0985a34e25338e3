// Package eventloop accepts connections and serves them without a goroutine for each.
//
// A [Loop] has epoll descriptors of its own, which are nested in the poller of Go's
// runtime: a goroutine for each waits for many connections, and blocks no thread
// meanwhile. A [Conn] can be used like any [net.Conn], with goroutines that wait in Read
// and Write, or it can have a handler, which the loop's goroutine calls when there is
// something to read.
//
// That is possible on Linux. On other systems, and with the build tag noeventloop,
// [New] returns [errors.ErrUnsupported].
package eventloop
