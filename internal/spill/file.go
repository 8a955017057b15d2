package spill

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
)

// File is a temporary file of records in partitions. Records are appended to
// all partitions first and read afterwards. Not safe for concurrent use.
type File struct {
	f          *os.File
	path       string // to remove, where an open file has to keep its name
	block      int
	end        int64
	partitions []partition
	buf        []byte // of reading
}

type partition struct {
	pending []byte
	blocks  []block
	bytes   int64
	records int64
}

type block struct {
	at  int64
	len int
}

// Create makes a file of n partitions that are written in blocks of about the
// given size.
func (d *Dir) Create(n, block int) (*File, error) {
	d.n++
	path := filepath.Join(d.path, strconv.Itoa(d.n))
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("spill: %w", err)
	}
	// Where the system allows it, the file has no name from now on and goes
	// with the process.
	if os.Remove(path) == nil {
		path = ""
	}
	return &File{f: f, path: path, block: block, partitions: make([]partition, n)}, nil
}

// Append appends a record to a partition.
func (f *File) Append(p int, record []byte) error {
	part := &f.partitions[p]
	if part.pending == nil {
		part.pending = make([]byte, 0, f.block+f.block/8)
	}
	part.pending = append(part.pending, record...)
	part.records++
	if len(part.pending) >= f.block {
		return f.write(part)
	}
	return nil
}

func (f *File) write(p *partition) error {
	if len(p.pending) == 0 {
		return nil
	}
	if _, err := f.f.WriteAt(p.pending, f.end); err != nil {
		return fmt.Errorf("spill: %w", err)
	}
	p.blocks = append(p.blocks, block{f.end, len(p.pending)})
	f.end += int64(len(p.pending))
	p.bytes += int64(len(p.pending))
	p.pending = p.pending[:0]
	return nil
}

// Flush writes what is pending and gives back the buffers. Nothing may be
// appended from then on.
func (f *File) Flush() error {
	for i := range f.partitions {
		if err := f.write(&f.partitions[i]); err != nil {
			return err
		}
		f.partitions[i].pending = nil
	}
	return nil
}

// Records is the number of records of a partition.
func (f *File) Records(p int) int64 { return f.partitions[p].records }

// Bytes is the size of the records of a partition.
func (f *File) Bytes(p int) int64 {
	return f.partitions[p].bytes + int64(len(f.partitions[p].pending))
}

// Each calls fn with pieces of a partition, each of one or more whole records,
// in the order in which they were appended.
func (f *File) Each(p int, fn func(records []byte) error) error {
	for _, b := range f.partitions[p].blocks {
		if cap(f.buf) < b.len {
			f.buf = make([]byte, b.len+b.len/8)
		}
		buf := f.buf[:b.len]
		if _, err := f.f.ReadAt(buf, b.at); err != nil {
			return fmt.Errorf("spill: %w", err)
		}
		if err := fn(buf); err != nil {
			return err
		}
	}
	return nil
}

// Close removes the file.
func (f *File) Close() error {
	err := f.f.Close()
	if f.path != "" {
		err = os.Remove(f.path)
	}
	return err
}
