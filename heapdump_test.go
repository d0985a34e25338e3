package lakebase_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"os"
	"slices"
	"testing"
)

// heapDump is a file of debug.WriteHeapDump, of a 64-bit little-endian machine.
type heapDump struct {
	rest    []byte // that is not read yet
	starts  []uint64
	objects map[uint64]*heapObject
	roots   []uint64 // pointers from outside of the heap
	static  [][]byte // data of the program
}

type heapObject struct {
	content  []byte
	pointers []uint64
	reached  bool
}

// reachable returns the contents of all objects that a pointer leads to, and of the
// program's own data. The file has more: of each span of small objects, also what is
// between the last one and the end, which has no owner, is never cleared and may hold
// anything that was ever there.
func reachable(t *testing.T, file string) []byte {
	t.Helper()
	content, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	head := []byte("go1.7 heap dump\n")
	if !bytes.HasPrefix(content, head) {
		t.Fatalf("%s is no heap dump", file)
	}
	d := &heapDump{rest: content[len(head):], objects: map[uint64]*heapObject{}}
	for d.record(t) {
	}
	slices.Sort(d.starts)
	found := slices.Clone(d.static)
	for len(d.roots) > 0 {
		last := len(d.roots) - 1
		object := d.at(d.roots[last])
		d.roots = d.roots[:last]
		if object != nil && !object.reached {
			object.reached = true
			found = append(found, object.content)
			d.roots = append(d.roots, object.pointers...)
		}
	}
	return bytes.Join(found, []byte{0})
}

// at returns the object that has the address.
func (d *heapDump) at(address uint64) *heapObject {
	i, exact := slices.BinarySearch(d.starts, address)
	if !exact {
		i--
	}
	if i < 0 {
		return nil
	}
	object := d.objects[d.starts[i]]
	if address-d.starts[i] >= uint64(len(object.content)) {
		return nil
	}
	return object
}

// record reads one record: https://go.dev/wiki/heapdump15-through-heapdump17. It
// returns false for the last one.
func (d *heapDump) record(t *testing.T) bool {
	const tagEnd, tagObject, tagOtherRoot, tagType, tagGoroutine, tagFrame, tagParams, tagFinalizer, tagItab, tagThread,
		tagStats, tagQueued, tagData, tagBSS, tagDefer, tagPanic, tagProfile, tagSample = 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17
	switch tag := d.number(); tag {
	case tagEnd:
		return false
	case tagObject:
		address := d.number()
		object := &heapObject{content: d.bytes()}
		object.pointers = d.fields(object.content)
		d.starts = append(d.starts, address)
		d.objects[address] = object
	case tagOtherRoot:
		d.bytes()
		d.roots = append(d.roots, d.number())
	case tagType:
		d.numbers(2)
		d.bytes()
		d.number()
	case tagGoroutine:
		d.numbers(8)
		d.bytes()
		d.roots = append(d.roots, d.numbers(4)...)
	case tagFrame:
		d.numbers(3)
		content := d.bytes()
		d.numbers(3)
		d.bytes()
		d.roots = append(d.roots, d.fields(content)...)
	case tagParams:
		d.numbers(4)
		d.bytes()
		d.bytes()
		d.number()
	case tagFinalizer, tagQueued:
		d.roots = append(d.roots, d.numbers(5)...)
	case tagItab, tagSample:
		d.numbers(2)
	case tagThread:
		d.numbers(3)
	case tagStats:
		const pauses = 256
		d.numbers(24 + pauses + 1)
	case tagData, tagBSS:
		d.number()
		content := d.bytes()
		d.static = append(d.static, content)
		d.roots = append(d.roots, d.fields(content)...)
	case tagDefer:
		d.roots = append(d.roots, d.numbers(7)...)
	case tagPanic:
		d.roots = append(d.roots, d.numbers(6)...)
	case tagProfile:
		d.numbers(2)
		for range d.number() {
			d.bytes()
			d.bytes()
			d.number()
		}
		d.numbers(2)
	default:
		t.Fatalf("a heap dump has the unknown tag %d", tag)
	}
	return true
}

func (d *heapDump) number() uint64 {
	n, size := binary.Uvarint(d.rest)
	if size <= 0 {
		panic(fmt.Sprintf("a heap dump ends early, with %d bytes left", len(d.rest)))
	}
	d.rest = d.rest[size:]
	return n
}

func (d *heapDump) numbers(count int) (all []uint64) {
	for range count {
		all = append(all, d.number())
	}
	return all
}

func (d *heapDump) bytes() []byte {
	n := d.number()
	content := d.rest[:n]
	d.rest = d.rest[n:]
	return content
}

// fields reads where content has pointers, and returns them.
func (d *heapDump) fields(content []byte) (pointers []uint64) {
	for kind := d.number(); kind != 0; kind = d.number() {
		if at := d.number(); at+8 <= uint64(len(content)) {
			pointers = append(pointers, binary.LittleEndian.Uint64(content[at:]))
		}
	}
	return pointers
}
