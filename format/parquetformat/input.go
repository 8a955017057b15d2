package parquetformat

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/apache/arrow-go/v18/arrow/memory"

	etl "github.com/tidemark-data/etl"
)

// badFile is the rule that the whole file violates.
type badFile string

func (e badFile) Error() string { return string(e) }

const corrupt = badFile("corrupt parquet")

// input remembers the first error of an etl.Input, so that it can be told from
// those of the library. The library reads from one goroutine here.
type input struct {
	in  etl.Input
	err error
}

// ReadAt implements io.ReaderAt.
func (r *input) ReadAt(p []byte, off int64) (int, error) {
	if r.err != nil {
		return 0, r.err
	}
	n, err := r.in.ReadAt(p, off)
	if err != nil && !errors.Is(err, io.EOF) {
		r.err = err
	}
	return n, err
}

// checkEnds looks at what frames the footer before anything is read in.
func (r *input) checkEnds(maxFooter int64) error {
	size := r.in.Size()
	if size < 12 {
		return badFile("not a parquet file")
	}
	var head [4]byte
	var tail [8]byte
	for _, part := range []struct {
		to  []byte
		off int64
	}{{head[:], 0}, {tail[:], size - 8}} {
		if n, err := r.ReadAt(part.to, part.off); n < len(part.to) {
			return fmt.Errorf("input ends before its size: %w", err)
		}
	}
	footer := int64(binary.LittleEndian.Uint32(tail[:4]))
	switch magic := string(tail[4:]); {
	case magic == "PARE":
		return badFile("parquet footer is encrypted")
	case magic != "PAR1" || string(head[:]) != "PAR1":
		return badFile("not a parquet file")
	case footer > maxFooter:
		return badFile(fmt.Sprintf("parquet footer is larger than %d bytes", maxFooter))
	case footer > size-12:
		return corrupt
	}
	return nil
}

// guard runs calls into the library, which panics on some corrupt files.
func guard(call func() error) (err error) {
	defer func() {
		switch p := recover().(type) {
		case nil:
		case badFile:
			err = p
		default:
			err = corrupt
		}
	}()
	return call()
}

// maxAllocation is more than any page or batch of a sane file takes at once.
const maxAllocation = 1 << 30

// allocator refuses sizes that only a corrupt or hostile file asks for: running
// out of memory is no panic that guard could catch.
type allocator struct{ memory.Allocator }

func newAllocator() memory.Allocator { return allocator{memory.DefaultAllocator} }

// Allocate implements memory.Allocator.
func (a allocator) Allocate(size int) []byte {
	checkAllocation(size)
	return a.Allocator.Allocate(size)
}

// Reallocate implements memory.Allocator.
func (a allocator) Reallocate(size int, b []byte) []byte {
	checkAllocation(size)
	return a.Allocator.Reallocate(size, b)
}

func checkAllocation(size int) {
	if size < 0 || size > maxAllocation {
		panic(badFile(fmt.Sprintf("needs more than %d bytes of memory at once", maxAllocation)))
	}
}
