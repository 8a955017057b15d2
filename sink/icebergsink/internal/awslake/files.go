package awslake

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"sync"
	"time"

	"github.com/apache/iceberg-go"
	iceio "github.com/apache/iceberg-go/io"
	"github.com/apache/iceberg-go/io/gocloud/blobfs"
	_ "github.com/apache/iceberg-go/io/gocloud/s3" // the schemes s3, s3a and s3n
	"gocloud.dev/blob"
	"gocloud.dev/gcerrors"

	"github.com/tidemark-data/etl"
)

// removeTimeout bounds the removal of one object.
const removeTimeout = 30 * time.Second

// An upload holds up to 16 MiB before it begins to send parts, and
// uploadParts + 1 parts in memory after that: the transfer manager of the SDK
// alone would take twice that, and a partitioned load has many files open.
const (
	uploadPartBytes = 8 << 20
	uploadParts     = 2
)

// files is iceberg-go's file IO for S3, with these differences. Reading at
// places does not begin with a request for the whole object; manifests are kept
// in memory; what was written in part is not published; removing works after
// the context has ended, for that is when attempts are cleaned up; several
// buckets are reached, as side files may be in another one; and errors that
// will not go away are terminal.
type files struct {
	*blobfs.FileIO // of the table's bucket

	ctx    context.Context
	bucket string
	props  iceberg.Properties
	cache  *cache
	mu     sync.Mutex
	others map[string]*blobfs.FileIO
}

var (
	_ iceio.ReadFileIO      = (*files)(nil)
	_ iceio.WriteFileIO     = (*files)(nil)
	_ iceio.ListableIO      = (*files)(nil)
	_ iceio.BulkRemovableIO = (*files)(nil)
)

// newFiles wraps the IO of a table's location. Storage other than S3 is left as
// it is.
func newFiles(ctx context.Context, inner iceio.IO, location string, props iceberg.Properties, cache *cache) iceio.IO {
	blobs, ok := inner.(*blobfs.FileIO)
	bucket, _, err := split(location)
	if !ok || err != nil {
		return inner
	}
	return &files{FileIO: blobs, ctx: ctx, bucket: bucket, props: props, cache: cache, others: map[string]*blobfs.FileIO{}}
}

// split takes "s3://bucket/key" apart. Keys are kept as they are, escapes and all.
func split(location string) (bucket, key string, _ error) {
	scheme, rest, ok := strings.Cut(location, "://")
	if !ok || scheme != "s3" && scheme != "s3a" && scheme != "s3n" {
		return "", "", fmt.Errorf("%s is not a location in S3", location)
	}
	bucket, key, _ = strings.Cut(rest, "/")
	if bucket == "" {
		return "", "", fmt.Errorf("%s names no bucket", location)
	}
	return bucket, key, nil
}

// at returns the IO of the location's bucket, and the key.
func (f *files) at(location string) (*blobfs.FileIO, string, error) {
	bucket, key, err := split(location)
	if err != nil || bucket == f.bucket {
		return f.FileIO, key, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if other := f.others[bucket]; other != nil {
		return other, key, nil
	}
	opened, err := iceio.LoadFS(f.ctx, f.props, location)
	if err != nil {
		return nil, "", err
	}
	other, ok := opened.(*blobfs.FileIO)
	if !ok {
		return nil, "", fmt.Errorf("%s is not a location in S3", location)
	}
	f.others[bucket] = other
	return other, key, nil
}

// Open implements [iceio.IO].
func (f *files) Open(name string) (iceio.File, error) {
	blobs, key, err := f.at(name)
	if err != nil {
		return nil, err
	}
	if content := f.cache.get(name); content != nil {
		return &object{ctx: f.ctx, bucket: blobs.Bucket, key: key, size: int64(len(content)), head: content}, nil
	}
	first := int64(window)
	if cacheable(name) {
		first = cacheObject // it will be read to its end
	}
	o, err := openObject(f.ctx, blobs.Bucket, key, first)
	if err != nil {
		return nil, fail("open", name, err)
	}
	if int64(len(o.head)) == o.size {
		f.cache.put(name, o.head)
	}
	return o, nil
}

// ReadFile implements [iceio.ReadFileIO].
func (f *files) ReadFile(name string) ([]byte, error) {
	blobs, key, err := f.at(name)
	if err != nil {
		return nil, err
	}
	data, err := blobs.ReadAll(f.ctx, key)
	if err != nil {
		return nil, fail("read", name, err)
	}
	return data, nil
}

// WriteFile implements [iceio.WriteFileIO].
func (f *files) WriteFile(name string, content []byte) error {
	blobs, key, err := f.at(name)
	if err != nil {
		return err
	}
	if err := blobs.WriteAll(f.ctx, key, content, nil); err != nil {
		return fail("write", name, err)
	}
	if cacheable(name) {
		f.cache.put(name, bytes.Clone(content))
	}
	return nil
}

// Create implements [iceio.WriteFileIO]. What is written is uploaded in parts
// while more is written; the object is there when it was closed without error.
func (f *files) Create(name string) (iceio.FileWriter, error) {
	blobs, _, err := f.at(name)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(f.ctx)
	w, err := blobs.NewWriter(ctx, name, true, &blob.WriterOptions{BufferSize: uploadPartBytes, MaxConcurrency: uploadParts})
	if err != nil {
		cancel()
		return nil, fail("create", name, err)
	}
	return &upload{Writer: w, name: name, cancel: cancel, cache: f.cache}, nil
}

// Remove implements [iceio.IO].
func (f *files) Remove(name string) error {
	blobs, key, err := f.at(name)
	if err != nil {
		return err
	}
	f.cache.drop(name)
	ctx, cancel := context.WithTimeout(context.WithoutCancel(f.ctx), removeTimeout)
	defer cancel()
	if err := blobs.Delete(ctx, key); err != nil {
		return fail("remove", name, err)
	}
	return nil
}

// DeleteFiles implements [iceio.BulkRemovableIO].
func (f *files) DeleteFiles(ctx context.Context, paths []string) ([]string, error) {
	groups := map[*blobfs.FileIO][]string{}
	var deleted []string
	var errs []error
	for _, p := range paths {
		f.cache.drop(p)
		blobs, _, err := f.at(p)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		groups[blobs] = append(groups[blobs], p)
	}
	for blobs, own := range groups {
		gone, err := blobs.DeleteFiles(ctx, own)
		deleted, errs = append(deleted, gone...), append(errs, err)
	}
	return deleted, errors.Join(errs...)
}

// WalkDir implements [iceio.ListableIO].
func (f *files) WalkDir(root string, fn fs.WalkDirFunc) error {
	blobs, _, err := f.at(root)
	if err != nil {
		return err
	}
	return blobs.WalkDir(root, fn)
}

// fail describes an error of S3. Refusals that need a person are terminal.
func fail(op, location string, err error) error {
	if gcerrors.Code(err) == gcerrors.NotFound && !strings.Contains(err.Error(), "NoSuchBucket") {
		return &fs.PathError{Op: op, Path: location, Err: fs.ErrNotExist}
	}
	err = &fs.PathError{Op: op, Path: location, Err: err}
	var coded interface{ ErrorCode() string }
	if !errors.As(err, &coded) {
		return err
	}
	switch coded.ErrorCode() {
	case "AccessDenied", "Forbidden", "AllAccessDisabled", "KMS.DisabledException", "KMS.NotFoundException":
		return etl.WithOutcome(etl.Terminal, fmt.Errorf("%w (S3 refuses: check the policies of the caller, the bucket and its KMS key)", err))
	case "NoSuchBucket":
		return etl.WithOutcome(etl.Terminal, fmt.Errorf("%w (there is no such bucket)", err))
	}
	return err
}
