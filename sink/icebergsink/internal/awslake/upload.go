package awslake

import (
	"context"
	"errors"
	"fmt"
	"io"

	iceio "github.com/apache/iceberg-go/io"
	"github.com/apache/iceberg-go/io/gocloud/blobfs"
)

var errUnfinished = errors.New("given up after a write that failed")

// upload is an object being written.
type upload struct {
	*blobfs.Writer
	name   string
	cancel context.CancelFunc
	failed bool
	cache  *cache
	copied []byte // what was written so far, where it goes into the cache
}

var _ iceio.FileWriter = (*upload)(nil)

// Write implements [io.Writer].
func (u *upload) Write(p []byte) (int, error) {
	n, err := u.Writer.Write(p)
	if err != nil {
		u.failed = true
		return n, fail("write", u.name, err)
	}
	if cacheable(u.name) && len(u.copied) <= cacheObject {
		u.copied = append(u.copied, p...)
	}
	return n, nil
}

// ReadFrom implements [io.ReaderFrom].
func (u *upload) ReadFrom(r io.Reader) (int64, error) {
	n, err := io.Copy(struct{ io.Writer }{u}, r)
	u.failed = u.failed || err != nil
	return n, err
}

// Close completes the object, unless a write has failed: then nothing of it is
// published, and the parts are given up.
func (u *upload) Close() error {
	defer u.cancel()
	if u.failed {
		u.cancel()
		_ = u.Writer.Close() // says that it was canceled
		return fmt.Errorf("write %s: %w", u.name, errUnfinished)
	}
	if err := u.Writer.Close(); err != nil {
		return fail("write", u.name, err)
	}
	u.cache.put(u.name, u.copied)
	return nil
}

// Abort gives the object up: nothing of it is published.
func (u *upload) Abort() {
	u.failed = true
	_ = u.Close()
}
