package main

import (
	"context"
	"io"
)

// key is a character, or one of the keys below.
type key rune

const (
	keyUnknown key = -iota - 1
	keyEnter
	keyQuit
	keyUp
	keyDown
	keyPageUp
	keyPageDown
	keyHome
	keyEnd
)

// keyReader reads keys from a terminal in raw mode. A key may be several
// bytes, which need not arrive together.
type keyReader struct {
	pending []byte
	state   escapeState
	number  byte // the digit of a sequence such as ESC [ 5 ~
}

type escapeState int

const (
	noEscape     escapeState = iota
	escaped                  // after ESC
	inEscapeCode             // after ESC [ or ESC O
)

// next waits for a key. When ctx ends, a read on in is left behind.
func (r *keyReader) next(ctx context.Context, in io.Reader) (key, error) {
	for {
		for len(r.pending) > 0 {
			c := r.pending[0]
			r.pending = r.pending[1:]
			if k, ok := r.decode(c); ok {
				return k, nil
			}
		}
		chunk, err := readChunk(ctx, in, 64)
		if err != nil {
			return keyUnknown, err
		}
		r.pending = chunk
	}
}

// readChunk waits for at most so many bytes.
func readChunk(ctx context.Context, in io.Reader, most int) ([]byte, error) {
	type result struct {
		chunk []byte
		err   error
	}
	results := make(chan result, 1)
	go func() {
		buffer := make([]byte, most)
		n, err := in.Read(buffer)
		if n > 0 {
			err = nil
		}
		results <- result{buffer[:n], err}
	}()
	select {
	case r := <-results:
		return r.chunk, r.err
	case <-ctx.Done():
		return nil, errInterrupted
	}
}

// decode takes one byte and returns the key that it completes.
func (r *keyReader) decode(c byte) (key, bool) {
	switch r.state {
	case escaped:
		r.state = noEscape
		if c == '[' || c == 'O' {
			r.state = inEscapeCode
		}
		return keyUnknown, false
	case inEscapeCode:
		if c >= '0' && c <= '9' || c == ';' {
			r.number = c
			return keyUnknown, false
		}
		r.state = noEscape
		return escapeKey(c, r.number), true
	}
	switch c {
	case 0x1b:
		r.state, r.number = escaped, 0
		return keyUnknown, false
	case '\r', '\n':
		return keyEnter, true
	case 'q', 0x03, 0x04: // Ctrl-C, Ctrl-D
		return keyQuit, true
	case 'k', 0x10: // as in vi and Emacs
		return keyUp, true
	case 'j', 0x0e:
		return keyDown, true
	}
	return key(c), true
}

// escapeKey is the key that ends in c on the terminals there are.
func escapeKey(c, number byte) key {
	switch c {
	case 'A':
		return keyUp
	case 'B':
		return keyDown
	case 'H':
		return keyHome
	case 'F':
		return keyEnd
	case '~':
		switch number {
		case '5':
			return keyPageUp
		case '6':
			return keyPageDown
		}
	}
	return keyUnknown
}
