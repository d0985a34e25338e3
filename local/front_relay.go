package local

import (
	"bufio"
	"io"
	"net"
	"sync"
	"time"
)

// relay carries bytes both ways until both sides have ended. answers reads
// from backend.
func (c *client) relay(backend net.Conn, answers *bufio.Reader) {
	var up sync.WaitGroup
	up.Go(func() {
		if _, err := io.Copy(onlyWriter{backend}, onlyReader{c}); err != nil {
			io.Copy(io.Discard, c) // until the client has seen the server's last words
		}
		closeWrite(backend)
	})
	c.relayDown(backend, answers)
	c.SetReadDeadline(time.Now().Add(lingerTimeout))
	up.Wait()
}

// relayDown carries the server's answers.
func (c *client) relayDown(backend net.Conn, answers *bufio.Reader) {
	if fault := c.faults.Network; fault.ResetAt == "query" {
		answers.Peek(1) // strikes into an answer even where AfterBytes is zero
		if _, err := io.CopyN(c, answers, fault.AfterBytes); err == nil && c.strike("query") {
			return
		}
	}
	if _, err := io.Copy(onlyWriter{c}, onlyReader{answers}); err != nil {
		backend.Close() // the client is gone, and with it all that it asked for
		return
	}
	closeWrite(c.Conn)
}

// onlyReader and onlyWriter hide the shortcuts that io.Copy would look for:
// they bypass what a connection does in Read and Write.
type onlyReader struct{ io.Reader }
type onlyWriter struct{ io.Writer }
