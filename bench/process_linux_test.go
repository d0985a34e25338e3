package main

import (
	"os"
	"testing"
	"time"
)

func TestParseProcessorTime(t *testing.T) {
	got, err := parseProcessorTime([]byte("42 (a) b (c)) S 1 42 42 0 -1 4194560 100 0 0 0 150 50 0 0 20 0 5"))
	if err != nil || got != 2*time.Second {
		t.Errorf("%s, %v", got, err)
	}
	if got, err := parseProcessorTime([]byte("42 (short) S 1")); err == nil {
		t.Error(got)
	}
}

// The processor time of this process grows as it works.
func TestProcessorTime(t *testing.T) {
	before, err := processorTime(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(20 * time.Second); ; {
		after, err := processorTime(os.Getpid())
		if err != nil || time.Now().After(deadline) {
			t.Fatalf("%s after %s, %v", after, before, err)
		}
		if after > before {
			return
		}
	}
}

func TestResidentMemory(t *testing.T) {
	before, err := residentMemory(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	p := make([]byte, 64<<20)
	for i := range p {
		p[i] = 1
	}
	after, err := residentMemory(os.Getpid())
	if grown := after - before; err != nil || grown < 32<<20 {
		t.Errorf("grown by %d, %v", grown, err)
	}
	if p[len(p)-1] != 1 {
		t.Error("kept until here")
	}
}
