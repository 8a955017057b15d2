// Package awstest holds fakes in memory of the AWS services that the adapters
// use, with the same methods as the clients of aws-sdk-go-v2, for tests without
// a network. They answer as the services do where it matters to a program that
// must not lose data: conditions, versions, limits, order and errors.
package awstest

import (
	"context"
	"net/url"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
)

// S3 is Amazon S3 in memory. Its methods have the signatures of the client in
// aws-sdk-go-v2/service/s3. Like S3 it is strongly consistent. Checksums,
// policies, encryption and storage classes are not modelled; [S3Options.Hook]
// can answer in their place. It is safe for concurrent use.
type S3 struct {
	opts    S3Options
	mu      sync.Mutex
	buckets map[string]*s3Bucket
	log     []S3Request
	serial  int
}

// S3Options changes an [S3]. The zero value is ready for use.
type S3Options struct {
	// Now is the clock of the service, [time.Now] by default.
	Now func() time.Time
	// MinPartSize is the least size of all parts of an upload but the last, in
	// bytes; 5 MiB by default ("Amazon S3 multipart upload limits").
	MinPartSize int64
	// PageSize is the greatest number of keys in a page, 1,000 by default and
	// at most.
	PageSize int
	// Owner is the account that owns the buckets, compared with the
	// ExpectedBucketOwner of requests. Empty matches any.
	Owner string
	// Hook, if not nil, is asked before each request whether something goes
	// wrong with it. It may be called from several goroutines at a time.
	Hook func(S3Request) S3Fault
}

// S3Request is a request as the service saw it.
type S3Request struct {
	// N counts the requests of all kinds, from 1.
	N int
	// Op is the name of the operation, as "GetObject".
	Op                         string
	Bucket, Key, VersionID     string
	Range                      string
	IfMatch, IfNoneMatch       string
	RequestPayer               string
	EncodingType               string
	owner, copyFrom, uploadTag string
}

// S3Fault is what goes wrong with a request. The zero value is nothing.
type S3Fault struct {
	// Delay passes before the request takes effect.
	Delay time.Duration
	// Err is returned, and the request has no effect. See [S3Error] and [ErrReset].
	Err error
	// LostAnswer breaks the connection after the request took effect.
	LostAnswer bool
	// Break breaks the connection when After bytes of the body are read; Stall
	// sends nothing more from there on.
	Break, Stall bool
	After        int64
	// BytesPerSecond limits the rate of the body.
	BytesPerSecond int64
}

type s3Bucket struct {
	versioning    string // "", Enabled, Suspended
	requesterPays bool
	objects       map[string][]*s3Version // the last is the current one
	uploads       map[string]*s3Upload
}

type s3Version struct {
	id          string // "null" without versioning
	etag        string // quoted
	data        []byte
	modTime     time.Time
	marker      bool // a delete marker
	contentType *string
	metadata    map[string]string
	tags        map[string]string
}

// NewS3 returns a service with empty buckets of those names.
func NewS3(opts S3Options, buckets ...string) *S3 {
	if opts.Now == nil {
		opts.Now = time.Now
	}
	if opts.MinPartSize <= 0 {
		opts.MinPartSize = 5 << 20
	}
	if opts.PageSize <= 0 || opts.PageSize > 1000 {
		opts.PageSize = 1000
	}
	s := &S3{opts: opts, buckets: map[string]*s3Bucket{}}
	for _, name := range buckets {
		s.AddBucket(name)
	}
	return s
}

// AddBucket makes an empty bucket, unless it exists.
func (s *S3) AddBucket(name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.buckets[name] == nil {
		s.buckets[name] = &s3Bucket{objects: map[string][]*s3Version{}, uploads: map[string]*s3Upload{}}
	}
}

// SetVersioning turns versioning of a bucket on, or suspends it.
func (s *S3) SetVersioning(bucket string, on bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if b := s.buckets[bucket]; b != nil && on {
		b.versioning = "Enabled"
	} else if b != nil && b.versioning != "" {
		b.versioning = "Suspended"
	}
}

// SetRequesterPays makes a bucket refuse requests whose RequestPayer is not "requester".
func (s *S3) SetRequesterPays(bucket string, on bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if b := s.buckets[bucket]; b != nil {
		b.requesterPays = on
	}
}

// Requests returns the requests so far, in the order in which they came.
func (s *S3) Requests() []S3Request {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]S3Request(nil), s.log...)
}

// ForgetRequests empties the log of requests.
func (s *S3) ForgetRequests() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.log = nil
}

// s3Call is the way of every request: log, faults, access, effect, answer.
func s3Call[T any](ctx context.Context, s *S3, req S3Request, do func(*s3Bucket) (*T, error)) (*T, S3Fault, error) {
	fault := s.begin(&req)
	if err := s3Wait(ctx, fault.Delay); err != nil {
		return nil, fault, s3Failed(req.Op, err)
	}
	if fault.Err != nil {
		return nil, fault, s3Failed(req.Op, fault.Err)
	}
	out, err := s3Do(s, req, do)
	switch {
	case err != nil:
		return nil, fault, s3Failed(req.Op, err)
	case fault.LostAnswer:
		return nil, fault, s3Failed(req.Op, ErrReset)
	}
	return out, fault, nil
}

func (s *S3) begin(req *S3Request) S3Fault {
	s.mu.Lock()
	s.serial++
	req.N = s.serial
	s.log = append(s.log, *req)
	s.mu.Unlock()
	if s.opts.Hook == nil {
		return S3Fault{}
	}
	return s.opts.Hook(*req)
}

func s3Do[T any](s *S3, req S3Request, do func(*s3Bucket) (*T, error)) (*T, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	b := s.buckets[req.Bucket]
	switch {
	case b == nil:
		return nil, s3NoSuchBucket(req.Op)
	case req.owner != "" && s.opts.Owner != "" && req.owner != s.opts.Owner:
		return nil, s3Denied(req.Op)
	case b.requesterPays && req.RequestPayer != "requester":
		return nil, s3Denied(req.Op)
	case len(req.Key) > 1024:
		return nil, S3Error(400, "KeyTooLongError", "Your key is too long")
	}
	return do(b)
}

func s3Wait(ctx context.Context, d time.Duration) error {
	if err := ctx.Err(); err != nil || d <= 0 {
		return err
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (b *s3Bucket) current(key string) *s3Version {
	if versions := b.objects[key]; len(versions) > 0 {
		return versions[len(versions)-1]
	}
	return nil
}

// live returns the current version, unless it is a delete marker.
func (b *s3Bucket) live(key string) *s3Version {
	if v := b.current(key); v != nil && !v.marker {
		return v
	}
	return nil
}

// add puts a version on top, as the versioning of the bucket has it.
func (b *s3Bucket) add(key string, v *s3Version, newID string) {
	v.id = "null"
	if b.versioning == "Enabled" {
		v.id = newID
	} else {
		b.remove(key, "null")
	}
	b.objects[key] = append(b.objects[key], v)
}

func (b *s3Bucket) remove(key, id string) *s3Version {
	for i, v := range b.objects[key] {
		if v.id == id {
			b.objects[key] = append(b.objects[key][:i:i], b.objects[key][i+1:]...)
			if len(b.objects[key]) == 0 {
				delete(b.objects, key)
			}
			return v
		}
	}
	return nil
}

// shownID is the version ID in an answer.
func (b *s3Bucket) shownID(v *s3Version) *string {
	if b.versioning == "" {
		return nil
	}
	return aws.String(v.id)
}

func s3ParseTags(query string) (map[string]string, error) {
	values, err := url.ParseQuery(query)
	if err != nil {
		return nil, S3Error(400, "InvalidArgument", "The header 'x-amz-tagging' shall be encoded as UTF-8 then URLEncoded URL query parameters")
	}
	tags := map[string]string{}
	for k := range values {
		tags[k] = values.Get(k)
	}
	if len(tags) > 10 {
		return nil, S3Error(400, "BadRequest", "Object tags cannot be greater than 10")
	}
	return tags, nil
}
