package awslake

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"path"
	"sync"
	"time"

	iceio "github.com/apache/iceberg-go/io"
	"gocloud.dev/blob"
)

// window is how many bytes are fetched of an object's beginning and of its end.
// Delete files and the data files of small loads fit into one; the footer of a
// Parquet file fits into the other.
const window = 64 << 10

// object is an object of S3, open for reading. The first request fetches its
// beginning and tells its size; an object that fits needs no other. The end is
// fetched once, when it is first asked for. Each further ReadAt is one request
// for just the bytes wanted.
type object struct {
	ctx    context.Context
	bucket *blob.Bucket
	key    string
	size   int64
	mod    time.Time
	head   []byte

	once    sync.Once
	tail    []byte
	tailErr error

	// Of Read, which is not meant for concurrent use:
	pos    int64
	stream io.ReadCloser // at pos, nil if not open
}

var _ iceio.File = (*object)(nil)

// openObject fetches the first bytes of an object.
func openObject(ctx context.Context, bucket *blob.Bucket, key string, first int64) (*object, error) {
	r, err := bucket.NewRangeReader(ctx, key, 0, first, nil)
	if err != nil {
		return nil, err
	}
	o := &object{ctx: ctx, bucket: bucket, key: key, size: r.Size(), mod: r.ModTime(), head: make([]byte, min(first, r.Size()))}
	_, err = io.ReadFull(r, o.head)
	if err = errors.Join(err, r.Close()); err != nil {
		return nil, err
	}
	return o, nil
}

// ReadAt implements [io.ReaderAt]. It is safe for concurrent use.
func (o *object) ReadAt(p []byte, off int64) (int, error) {
	if off < 0 {
		return 0, fs.ErrInvalid
	}
	if off >= o.size {
		return 0, io.EOF
	}
	want := p[:min(int64(len(p)), o.size-off)]
	if err := o.fill(want, off); err != nil {
		return 0, err
	}
	if len(want) < len(p) {
		return len(want), io.EOF
	}
	return len(want), nil
}

func (o *object) fill(p []byte, off int64) error {
	end := off + int64(len(p))
	switch {
	case end <= int64(len(o.head)):
		copy(p, o.head[off:])
		return nil
	case off >= o.size-window:
		o.once.Do(func() {
			o.tail = make([]byte, window)
			o.tailErr = o.fetch(o.tail, o.size-window)
		})
		if o.tailErr != nil {
			return o.tailErr
		}
		copy(p, o.tail[off-(o.size-window):])
		return nil
	}
	return o.fetch(p, off)
}

func (o *object) fetch(p []byte, off int64) error {
	r, err := o.bucket.NewRangeReader(o.ctx, o.key, off, int64(len(p)), nil)
	if err != nil {
		return fail("read", o.key, err)
	}
	_, err = io.ReadFull(r, p)
	if err = errors.Join(err, r.Close()); err != nil {
		return fail("read", o.key, err)
	}
	return nil
}

// Read implements [io.Reader]. Beyond the beginning the rest is one request.
func (o *object) Read(p []byte) (int, error) {
	switch {
	case o.pos >= o.size:
		return 0, io.EOF
	case o.pos < int64(len(o.head)):
		n := copy(p, o.head[o.pos:])
		o.pos += int64(n)
		return n, nil
	case o.stream == nil:
		r, err := o.bucket.NewRangeReader(o.ctx, o.key, o.pos, -1, nil)
		if err != nil {
			return 0, fail("read", o.key, err)
		}
		o.stream = r
	}
	n, err := o.stream.Read(p)
	o.pos += int64(n)
	return n, err
}

// Seek implements [io.Seeker].
func (o *object) Seek(offset int64, whence int) (int64, error) {
	switch whence {
	case io.SeekCurrent:
		offset += o.pos
	case io.SeekEnd:
		offset += o.size
	}
	if offset < 0 {
		return 0, fs.ErrInvalid
	}
	if offset != o.pos {
		if err := o.Close(); err != nil {
			return 0, err
		}
	}
	o.pos = offset
	return offset, nil
}

// Close implements [io.Closer].
func (o *object) Close() error {
	stream := o.stream
	o.stream = nil
	if stream == nil {
		return nil
	}
	return stream.Close()
}

// Stat implements [fs.File].
func (o *object) Stat() (fs.FileInfo, error) { return objectInfo{o}, nil }

type objectInfo struct{ o *object }

func (i objectInfo) Name() string       { return path.Base(i.o.key) }
func (i objectInfo) Size() int64        { return i.o.size }
func (i objectInfo) Mode() fs.FileMode  { return 0 }
func (i objectInfo) ModTime() time.Time { return i.o.mod }
func (i objectInfo) IsDir() bool        { return false }
func (i objectInfo) Sys() any           { return nil }
