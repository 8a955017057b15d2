package s3source

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"time"
	"unicode/utf8"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/tidemark-data/etl"
)

// Client is what of the client of aws-sdk-go-v2/service/s3 a [Source] needs to
// read. Its retries, region, endpoint and credentials are the client's.
type Client interface {
	ListObjectsV2(context.Context, *s3.ListObjectsV2Input, ...func(*s3.Options)) (*s3.ListObjectsV2Output, error)
	HeadObject(context.Context, *s3.HeadObjectInput, ...func(*s3.Options)) (*s3.HeadObjectOutput, error)
	GetObject(context.Context, *s3.GetObjectInput, ...func(*s3.Options)) (*s3.GetObjectOutput, error)
}

var _ Client = (*s3.Client)(nil)

// Options configure a [Source]. Only Bucket is required.
type Options struct {
	// Bucket is the name, or the ARN of an access point, from which files cannot
	// be moved.
	Bucket string
	// Prefix is the folder of the bucket that is the source; a slash is added if
	// it does not end in one. Locations are keys without it.
	Prefix string
	// Versions makes version IDs part of a file's identity, in buckets with
	// versioning. A listing then costs a HEAD request for each object. Setting
	// it later makes other files of those that are registered already.
	Versions bool
	// Ignore, if not nil, leaves locations out of listings.
	Ignore func(location string) bool
	// OnProblem, if not nil, is told of keys that cannot be locations: they are
	// not UTF-8 of at most 1,024 bytes.
	OnProblem func(key string, err error)
	// RequesterPays says that the reader pays for requests and traffic.
	RequesterPays bool
	// ExpectedOwner is the account ID that must own the bucket; "" for any.
	ExpectedOwner string

	// PartSize is the greatest range of one request in bytes, and the greatest
	// object that is fetched whole: 8 MiB by default, at least 64 KiB.
	PartSize int64
	// Parts is how many parts of a file are held or under way at a time, 4 by
	// default; 1 is no readahead.
	Parts int
	// Memory is how many bytes all open files may hold together before readahead
	// stops, 128 MiB by default. Past it an open file still gets the part that
	// is being read. It comes on top of the Runner's memory.
	Memory int64
	// SpoolBytes is how many bytes of local disk may hold what was fetched, so
	// that a file is not fetched again for a second pass over it; 0 is none. The
	// disk is used by temporary files without a name in TempDir, by default that
	// of the system.
	SpoolBytes int64
	TempDir    string

	// Attempts is how often in a row a request may fail without bringing the
	// file on, 5 by default. The client's own retries come on top.
	Attempts int
	// RetryDelay is the first pause between them, 100 ms by default; it doubles,
	// up to 5 s, and is shortened at random by up to half.
	RetryDelay time.Duration
	// StallTimeout is how long an answer may send nothing before its connection
	// counts as broken, 30 s by default.
	StallTimeout time.Duration

	// OnApplied and OnFailed are what [Source.Dispose] does.
	OnApplied, OnFailed Effect
}

// Source is a bucket, or a folder in it. It is safe for concurrent use.
type Source struct {
	client Client
	opts   Options
	memory atomic.Int64 // held by open files
	spool  *spool
}

var (
	_ etl.Source  = (*Source)(nil)
	_ etl.Locator = (*Source)(nil)
)

const (
	minPartSize = 64 << 10
	maxPartSize = 1 << 30
	maxKey      = 1024 // bytes, "Naming Amazon S3 objects"
)

// ErrKey is reported to [Options.OnProblem].
var ErrKey = errors.New("key is not UTF-8 of at most 1,024 bytes")

// New returns a source. It makes no request.
func New(client Client, opts Options) (*Source, error) {
	if opts.Prefix != "" && !strings.HasSuffix(opts.Prefix, "/") {
		opts.Prefix += "/"
	}
	opts = opts.withDefaults()
	if err := opts.validate(client); err != nil {
		return nil, fmt.Errorf("s3 source: %w", err)
	}
	return &Source{client: client, opts: opts, spool: newSpool(opts.TempDir, opts.SpoolBytes)}, nil
}

func (o Options) withDefaults() Options {
	setDefault(&o.PartSize, 8<<20)
	setDefault(&o.Parts, 4)
	setDefault(&o.Memory, 128<<20)
	setDefault(&o.Attempts, 5)
	setDefault(&o.RetryDelay, 100*time.Millisecond)
	setDefault(&o.StallTimeout, 30*time.Second)
	return o
}

func setDefault[T int | int64 | time.Duration](v *T, to T) {
	if *v == 0 {
		*v = to
	}
}

func (o Options) validate(client Client) error {
	var errs []error
	check := func(ok bool, problem string) {
		if !ok {
			errs = append(errs, errors.New(problem))
		}
	}
	check(client != nil, "client is nil")
	check(o.Bucket != "", "bucket is missing")
	check(utf8.ValidString(o.Prefix) && len(o.Prefix) < maxKey, "prefix is not UTF-8 of less than 1,024 bytes")
	check(o.PartSize >= minPartSize && o.PartSize <= maxPartSize, "part size is not between 64 KiB and 1 GiB")
	check(o.Parts >= 1, "parts is less than 1")
	check(o.Memory > 0, "memory is negative")
	check(o.SpoolBytes >= 0, "spool bytes is negative")
	check(o.Attempts >= 1, "attempts is less than 1")
	check(o.RetryDelay > 0 && o.StallTimeout > 0, "retry delay or stall timeout is negative")
	check(!strings.HasPrefix(o.Bucket, "arn:") || o.OnApplied.MoveTo+o.OnFailed.MoveTo == "", "files cannot be moved through an access point")
	check(!o.OnFailed.Delete, "failed files are never deleted")
	_, can := client.(DisposeClient)
	check(can || o.OnApplied.none() && o.OnFailed.none(), "the client has no calls to settle files with")
	errs = append(errs, o.OnApplied.validate("applied"), o.OnFailed.validate("failed"))
	return errors.Join(errs...)
}

// Close gives back the disk of [Options.SpoolBytes]. Files that are open stay
// readable.
func (s *Source) Close() error {
	s.spool.close()
	return nil
}

// Location returns the location of a key of the bucket, and whether the source
// has files there: keys outside the prefix, and those that [Source.Dispose]
// moves files to, are not its own.
func (s *Source) Location(key string) (string, bool) {
	location, ok := strings.CutPrefix(key, s.opts.Prefix)
	if !ok || location == "" || s.opts.OnApplied.owns(key) || s.opts.OnFailed.owns(key) {
		return "", false
	}
	return location, true
}

// key returns the key of a location, and whether there can be one.
func (s *Source) key(location string) (string, bool) {
	key := s.opts.Prefix + location
	return key, location != "" && len(key) <= maxKey && utf8.ValidString(location)
}

func (s *Source) payer() types.RequestPayer {
	if s.opts.RequesterPays {
		return types.RequestPayerRequester
	}
	return ""
}

func (s *Source) owner() *string { return optional(s.opts.ExpectedOwner) }

func optional(v string) *string {
	if v == "" {
		return nil
	}
	return aws.String(v)
}
