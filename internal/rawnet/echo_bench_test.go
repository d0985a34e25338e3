package rawnet

import (
	"io"
	"net"
	"testing"
)

// BenchmarkEcho is a message there and back, through a Conn and beside it
// through what the net package makes.
func BenchmarkEcho(b *testing.B) {
	for _, k := range kinds {
		if !k.hidden {
			b.Run(k.name+"/net", func(b *testing.B) { k.hidden = true; benchmarkEcho(b, k) })
			b.Run(k.name+"/rawnet", func(b *testing.B) { benchmarkEcho(b, k) })
		}
	}
}

func benchmarkEcho(b *testing.B, k kind) {
	one, other := pair(b, k)
	echoed := make(chan error, 1)
	go func() { echoed <- echo(other) }()
	message := content(100)
	got := make([]byte, len(message))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := one.Write(message); err != nil {
			b.Fatal(err)
		}
		if _, err := io.ReadFull(one, got); err != nil {
			b.Fatal(err)
		}
	}
	one.raw.Close()
	<-echoed
}

func echo(e *end) error {
	for {
		buffer, n, err := e.readBuffer()
		if err != nil {
			return err
		}
		if _, err := e.Write(buffer[:n]); err != nil {
			return err
		}
		buffer.Release()
	}
}

// BenchmarkStream is the way of much data: writes of 8 kB to who reads all.
func BenchmarkStream(b *testing.B) {
	for _, k := range kinds {
		if !k.hidden {
			b.Run(k.name+"/net", func(b *testing.B) { k.hidden = true; benchmarkStream(b, k) })
			b.Run(k.name+"/rawnet", func(b *testing.B) { benchmarkStream(b, k) })
		}
	}
}

func benchmarkStream(b *testing.B, k kind) {
	one, other := pair(b, k)
	read := make(chan int64, 1)
	go func() {
		n, _ := io.CopyBuffer(struct{ io.Writer }{io.Discard}, struct{ net.Conn }{other}, make([]byte, BufferSize))
		read <- n
	}()
	message := content(8 << 10)
	b.SetBytes(int64(len(message)))
	written := int64(0)
	for b.Loop() {
		n, err := one.Write(message)
		if err != nil {
			b.Fatal(err)
		}
		written += int64(n)
	}
	one.closeWrite()
	if n := <-read; n != written {
		b.Fatalf("%d bytes of %d came", n, written)
	}
}
