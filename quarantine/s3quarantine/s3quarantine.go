// Package s3quarantine keeps bad rows in a bucket: an object of JSON lines for each set.
package s3quarantine

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"iter"
	"net/http"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/smithy-go"

	"github.com/tidemark-data/etl"
	"github.com/tidemark-data/etl/quarantine/internal/rowset"
)

// Client is what of the client of aws-sdk-go-v2/service/s3 a [Quarantine] needs. Its
// retries, region, endpoint and credentials are the client's.
type Client interface {
	ListObjectsV2(context.Context, *s3.ListObjectsV2Input, ...func(*s3.Options)) (*s3.ListObjectsV2Output, error)
	GetObject(context.Context, *s3.GetObjectInput, ...func(*s3.Options)) (*s3.GetObjectOutput, error)
	PutObject(context.Context, *s3.PutObjectInput, ...func(*s3.Options)) (*s3.PutObjectOutput, error)
	DeleteObject(context.Context, *s3.DeleteObjectInput, ...func(*s3.Options)) (*s3.DeleteObjectOutput, error)
}

var _ Client = (*s3.Client)(nil)

// Options configure a [Quarantine]. Only Bucket is required.
type Options struct {
	// Bucket and Prefix say where the objects are. They hold rows as they stood in
	// the files: only those may read there who may read the files. A slash is added
	// to a prefix that does not end in one.
	Bucket, Prefix string
	// KMSKey encrypts the objects by a key of AWS KMS; "" leaves it to the bucket.
	KMSKey string
	// ExpectedOwner is the account ID that must own the bucket; "" for any.
	ExpectedOwner string
}

// Quarantine is an [etl.Quarantine] in a bucket. It is safe for concurrent use, between
// processes too: rows are updated by conditional writes (Amazon S3 user guide,
// "Conditional writes").
type Quarantine struct {
	client Client
	opts   Options
}

var _ etl.Quarantine = (*Quarantine)(nil)

// New returns a quarantine. It makes no request.
func New(client Client, opts Options) (*Quarantine, error) {
	if client == nil || opts.Bucket == "" {
		return nil, errors.New("s3 quarantine: client and bucket are needed")
	}
	if opts.Prefix != "" && !strings.HasSuffix(opts.Prefix, "/") {
		opts.Prefix += "/"
	}
	return &Quarantine{client, opts}, nil
}

const suffix = ".jsonl"

func (q *Quarantine) folder(table string) string { return q.opts.Prefix + rowset.Name(table) + "/" }

// Put implements [etl.Quarantine].
func (q *Quarantine) Put(ctx context.Context, table, set string, rows []etl.BadRow) error {
	return q.write(ctx, q.folder(table)+rowset.Name(set)+suffix, rows, "")
}

// write replaces an object, if its tag is the given one, if any is.
func (q *Quarantine) write(ctx context.Context, key string, rows []etl.BadRow, tag string) error {
	if len(rows) == 0 {
		_, err := q.client.DeleteObject(ctx, &s3.DeleteObjectInput{
			Bucket: &q.opts.Bucket, Key: &key, ExpectedBucketOwner: optional(q.opts.ExpectedOwner), IfMatch: optional(tag),
		})
		return q.explain("DeleteObject", err)
	}
	var b bytes.Buffer
	if err := rowset.Write(&b, rows); err != nil {
		return err
	}
	in := &s3.PutObjectInput{
		Bucket: &q.opts.Bucket, Key: &key, Body: bytes.NewReader(b.Bytes()), ExpectedBucketOwner: optional(q.opts.ExpectedOwner), IfMatch: optional(tag),
	}
	if q.opts.KMSKey != "" {
		in.ServerSideEncryption, in.SSEKMSKeyId = types.ServerSideEncryptionAwsKms, &q.opts.KMSKey
	}
	_, err := q.client.PutObject(ctx, in)
	return q.explain("PutObject", err)
}

func optional(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

// Rows implements [etl.Quarantine].
func (q *Quarantine) Rows(ctx context.Context, table string) iter.Seq2[etl.BadRow, error] {
	return func(yield func(etl.BadRow, error) bool) {
		var all []etl.BadRow
		err := q.each(ctx, table, func(_, _ string, rows []etl.BadRow) error {
			all = append(all, rows...)
			return nil
		})
		if err != nil {
			yield(etl.BadRow{}, err)
			return
		}
		slices.SortFunc(all, rowset.Compare)
		for _, row := range all {
			if !yield(row, nil) {
				return
			}
		}
	}
}

// each calls fn for each set of a table.
func (q *Quarantine) each(ctx context.Context, table string, fn func(key, tag string, rows []etl.BadRow) error) error {
	folder := q.folder(table)
	pages := s3.NewListObjectsV2Paginator(q.client, &s3.ListObjectsV2Input{
		Bucket: &q.opts.Bucket, Prefix: &folder, ExpectedBucketOwner: optional(q.opts.ExpectedOwner),
	})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return q.explain("ListObjectsV2", err)
		}
		for _, o := range page.Contents {
			key := aws.ToString(o.Key)
			if !strings.HasSuffix(key, suffix) {
				continue
			}
			tag, rows, err := q.read(ctx, key)
			if err != nil {
				return err
			}
			if err := fn(key, tag, rows); err != nil {
				return err
			}
		}
	}
	return nil
}

// read returns no rows where there is no such object any more.
func (q *Quarantine) read(ctx context.Context, key string) (tag string, rows []etl.BadRow, err error) {
	out, err := q.client.GetObject(ctx, &s3.GetObjectInput{Bucket: &q.opts.Bucket, Key: &key, ExpectedBucketOwner: optional(q.opts.ExpectedOwner)})
	if codeOf(err) == "NoSuchKey" {
		return "", nil, nil
	}
	if err != nil {
		return "", nil, q.explain("GetObject", err)
	}
	rows, err = rowset.Read(out.Body)
	if err = errors.Join(err, out.Body.Close()); err != nil {
		return "", nil, fmt.Errorf("s3 quarantine: read an object: %w", err)
	}
	return aws.ToString(out.ETag), rows, nil
}

// Update implements [etl.Quarantine].
func (q *Quarantine) Update(ctx context.Context, rows ...etl.BadRow) error {
	found := make([]bool, len(rows))
	tables := map[string]bool{}
	for _, row := range rows {
		tables[row.Table] = true
	}
	for table := range tables {
		err := q.change(ctx, table, func(kept []etl.BadRow) ([]etl.BadRow, bool) {
			changed := false
			for i, row := range rows {
				if row.Table == table && rowset.Replace(kept, row) {
					found[i], changed = true, true
				}
			}
			return kept, changed
		})
		if err != nil {
			return err
		}
	}
	if i := slices.Index(found, false); i >= 0 {
		return rowset.NotKept(rows[i])
	}
	return nil
}

// Remove implements [etl.Quarantine].
func (q *Quarantine) Remove(ctx context.Context, table string, ids ...string) error {
	return q.change(ctx, table, func(kept []etl.BadRow) ([]etl.BadRow, bool) {
		n := len(kept)
		kept = rowset.Without(kept, ids)
		return kept, len(kept) < n
	})
}

// attempts bounds how often a set is changed again because others were faster.
const attempts = 100

// change lets fn change the sets of a table.
func (q *Quarantine) change(ctx context.Context, table string, fn func([]etl.BadRow) (rows []etl.BadRow, changed bool)) error {
	return q.each(ctx, table, func(key, tag string, kept []etl.BadRow) error {
		for range attempts {
			rows, changed := fn(kept)
			if !changed {
				return nil
			}
			err := q.write(ctx, key, rows, tag)
			if !errors.Is(err, etl.ErrConflict) {
				return err
			}
			if tag, kept, err = q.read(ctx, key); err != nil {
				return err
			}
		}
		return fmt.Errorf("s3 quarantine: %w", etl.ErrConflict)
	})
}

// requestError is a request that failed. Its text holds nothing that the SDK or a
// server wrote but S3's own codes.
type requestError struct {
	text  string
	cause error
}

func (e *requestError) Error() string { return e.text }
func (e *requestError) Unwrap() error { return e.cause }

func (q *Quarantine) explain(op string, err error) error {
	if err == nil || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	code := codeOf(err)
	var status interface{ HTTPStatusCode() int }
	wrapped := &requestError{"s3 quarantine: " + op + " failed", err}
	if code != "" {
		wrapped.text += ": " + code
	}
	switch {
	case code == "PreconditionFailed", code == "ConditionalRequestConflict", errors.As(err, &status) && status.HTTPStatusCode() == http.StatusPreconditionFailed:
		return fmt.Errorf("%w: %w", etl.ErrConflict, wrapped)
	case code == "AccessDenied", code == "NoSuchBucket":
		return etl.WithOutcome(etl.Terminal, wrapped)
	}
	return wrapped
}

// codeOf is the code of S3's answer, as "NoSuchKey"; "" where there was none.
func codeOf(err error) string {
	var api smithy.APIError
	if errors.As(err, &api) {
		return api.ErrorCode()
	}
	return ""
}
