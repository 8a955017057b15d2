// Package s3store keeps the documents of jobs in Amazon S3: manifests and code,
// which the engines of AWS read, and the results that they leave.
package s3store

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/smithy-go"

	"github.com/tidemark-data/etl"
	"github.com/tidemark-data/etl/dispatch"
)

// Client is what of the client of aws-sdk-go-v2/service/s3 a [Store] needs.
type Client interface {
	PutObject(context.Context, *s3.PutObjectInput, ...func(*s3.Options)) (*s3.PutObjectOutput, error)
	GetObject(context.Context, *s3.GetObjectInput, ...func(*s3.Options)) (*s3.GetObjectOutput, error)
	DeleteObject(context.Context, *s3.DeleteObjectInput, ...func(*s3.Options)) (*s3.DeleteObjectOutput, error)
}

// Config configures a [Store].
type Config struct {
	// Location is where the documents are, "s3://bucket/prefix". It should be no
	// place that files land in. Nothing in it is needed once a job has ended and
	// its table's history has been read: let a lifecycle rule remove what is old.
	Location string
	// ExpectedOwner is the account ID that must own the bucket; "" for any.
	ExpectedOwner string
}

// Store is a [dispatch.Store] in a bucket. Documents are replaced in one step, as
// S3 does with any object. It is safe for concurrent use.
type Store struct {
	client Client
	bucket string
	prefix string // ends in a slash, or is empty
	owner  *string
}

var (
	_ dispatch.Store = (*Store)(nil)
	_ Client         = (*s3.Client)(nil)
)

// New returns a store. It asks nothing of S3.
func New(client Client, cfg Config) (*Store, error) {
	rest, ok := strings.CutPrefix(cfg.Location, "s3://")
	bucket, prefix, _ := strings.Cut(rest, "/")
	prefix = strings.TrimSuffix(prefix, "/")
	if !ok || bucket == "" || prefix != "" && dispatch.CheckName(prefix) != nil {
		return nil, errors.New("s3store: the location is not of the form s3://bucket/prefix, in letters, digits and ._-")
	}
	if client == nil {
		return nil, errors.New("s3store: no client")
	}
	s := &Store{client: client, bucket: bucket}
	if prefix != "" {
		s.prefix = prefix + "/"
	}
	if cfg.ExpectedOwner != "" {
		s.owner = &cfg.ExpectedOwner
	}
	return s, nil
}

// URI implements [dispatch.Store].
func (s *Store) URI(name string) (string, error) {
	if err := dispatch.CheckName(name); err != nil {
		return "", err
	}
	return "s3://" + s.bucket + "/" + s.prefix + name, nil
}

// Put implements [dispatch.Store].
func (s *Store) Put(ctx context.Context, name string, data []byte) (string, error) {
	uri, err := s.URI(name)
	if err != nil {
		return "", err
	}
	_, err = s.client.PutObject(ctx, &s3.PutObjectInput{
		Bucket: &s.bucket, Key: aws.String(s.prefix + name), Body: bytes.NewReader(data),
		ContentLength: aws.Int64(int64(len(data))), ExpectedBucketOwner: s.owner,
	})
	if err != nil {
		return "", failed("write "+uri, err)
	}
	return uri, nil
}

// Remove implements [dispatch.Store]. In a bucket with versions the lifecycle removes
// the older one.
func (s *Store) Remove(ctx context.Context, name string) error {
	uri, err := s.URI(name)
	if err != nil {
		return err
	}
	_, err = s.client.DeleteObject(ctx, &s3.DeleteObjectInput{
		Bucket: &s.bucket, Key: aws.String(s.prefix + name), ExpectedBucketOwner: s.owner,
	})
	if err = failedOrNil("remove "+uri, err); errors.Is(err, etl.ErrNotFound) {
		return nil
	}
	return err
}

func failedOrNil(what string, err error) error {
	if err == nil {
		return nil
	}
	return failed(what, err)
}

// Get implements [dispatch.Store].
func (s *Store) Get(ctx context.Context, uri string, max int64) ([]byte, error) {
	name, ok := strings.CutPrefix(uri, "s3://"+s.bucket+"/"+s.prefix)
	if !ok || dispatch.CheckName(name) != nil {
		return nil, etl.WithOutcome(etl.Terminal, errors.New("s3store: the document is outside of the store"))
	}
	out, err := s.client.GetObject(ctx, &s3.GetObjectInput{
		Bucket: &s.bucket, Key: aws.String(s.prefix + name), ExpectedBucketOwner: s.owner,
	})
	if err != nil {
		return nil, failed("read "+uri, err)
	}
	defer out.Body.Close()
	data, err := io.ReadAll(io.LimitReader(out.Body, max+1))
	switch {
	case err != nil:
		return nil, failed("read "+uri, err)
	case int64(len(data)) > max:
		return nil, etl.WithOutcome(etl.Terminal, fmt.Errorf("s3store: read %s: longer than %d bytes", uri, max))
	}
	return data, nil
}

// failed says what an error of S3 means. Its text has S3's code alone, because
// what the SDK and servers write may hold signed URLs; that is in the chain.
func failed(what string, err error) error {
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	code, fault := "no answer", smithy.FaultUnknown
	var api smithy.APIError
	if errors.As(err, &api) {
		code, fault = api.ErrorCode(), api.ErrorFault()
	}
	e := &requestError{text: "s3store: " + what + ": " + code, cause: err}
	switch code {
	case "NoSuchKey":
		e.is = etl.ErrNotFound
		return e
	case "AccessDenied", "NoSuchBucket", "InvalidAccessKeyId", "SignatureDoesNotMatch", "PermanentRedirect", "AuthorizationHeaderMalformed":
		return etl.WithOutcome(etl.Terminal, e)
	case "SlowDown", "RequestTimeout", "ExpiredToken", "RequestTimeTooSkewed", "OperationAborted", "Throttling":
		return etl.WithOutcome(etl.Retry, e)
	}
	if fault == smithy.FaultClient {
		return etl.WithOutcome(etl.Terminal, e)
	}
	return etl.WithOutcome(etl.Retry, e)
}

type requestError struct {
	text      string
	is, cause error
}

func (e *requestError) Error() string { return e.text }

func (e *requestError) Unwrap() []error {
	if e.is != nil {
		return []error{e.is, e.cause}
	}
	return []error{e.cause}
}
