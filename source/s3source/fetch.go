package s3source

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/tidemark-data/etl"
)

// progress is how many bytes must come before a connection that breaks counts
// as one that brought the file on.
const progress = 16 << 10

// errStalled is the end of a connection that sends nothing.
var errStalled = errors.New("connection stalled")

// again repeats a request that fails for a reason that may pass.
func (s *Source) again(ctx context.Context, request func() error) error {
	for failures := 1; ; failures++ {
		if err := ctx.Err(); err != nil {
			return err
		}
		err := request()
		if err == nil || etl.OutcomeOf(err) != etl.Retry || failures >= s.opts.Attempts || ctx.Err() != nil {
			return err
		}
		if err := s.sleep(ctx, failures); err != nil {
			return err
		}
	}
}

func (s *Source) sleep(ctx context.Context, failures int) error {
	d := min(s.opts.RetryDelay<<min(failures-1, 16), max(5*time.Second, s.opts.RetryDelay))
	timer := time.NewTimer(d - rand.N(d/2+1))
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// object is the content that is read.
type object struct {
	key  string
	file etl.File // with the ETag of the first answer, if it had none
}

// fetch fills buf with the bytes from off on. Connections that break are made
// anew where they broke.
func (s *Source) fetch(ctx context.Context, o *object, off int64, buf []byte) error {
	got, failures := 0, 0
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		n, err := s.fetchOnce(ctx, o, off+int64(got), buf[got:])
		if err == nil {
			return nil
		}
		if errors.Is(err, errBadEnd) {
			got, n = 0, 0 // which of the bytes is wrong is not known
		}
		if got += n; n >= progress {
			failures = 0
		}
		failures++
		if etl.OutcomeOf(err) != etl.Retry || failures >= s.opts.Attempts {
			return err
		}
		if err := s.sleep(ctx, failures); err != nil {
			return err
		}
	}
}

func (s *Source) fetchOnce(ctx context.Context, o *object, off int64, buf []byte) (int, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	watch := time.AfterFunc(s.opts.StallTimeout, func() { cancel(errStalled) })
	defer watch.Stop()
	out, err := s.client.GetObject(ctx, s.getInput(o, off, len(buf)), quietly)
	if err != nil {
		return 0, s.gone(ctx, o, s.explain(ctx, "GetObject", o.key, err))
	}
	defer out.Body.Close()
	if err := o.check(out, off); err != nil {
		return 0, err
	}
	n, err := readFull(&watched{out.Body, watch, s.opts.StallTimeout}, buf)
	if err != nil {
		return n, s.explain(ctx, "GetObject", o.key, err)
	}
	return n, nil
}

// quietly keeps the SDK from warning of each range that it came without a
// checksum. Checksums that come are checked.
func quietly(o *s3.Options) { o.DisableLogOutputChecksumValidationSkipped = true }

func (s *Source) getInput(o *object, off int64, n int) *s3.GetObjectInput {
	in := &s3.GetObjectInput{
		Bucket: &s.opts.Bucket, Key: &o.key, VersionId: optional(o.file.VersionID),
		RequestPayer: s.payer(), ExpectedBucketOwner: s.owner(),
	}
	if o.file.ETag != "" && (o.file.VersionID == "" || o.file.VersionID == "null") { // the null version is not kept
		in.IfMatch = aws.String(`"` + o.file.ETag + `"`)
	}
	if off == 0 && int64(n) == o.file.Size { // then the SDK holds the object's checksum against it
		in.ChecksumMode = types.ChecksumModeEnabled
	} else {
		in.Range = aws.String("bytes=" + strconv.FormatInt(off, 10) + "-" + strconv.FormatInt(off+int64(n)-1, 10))
	}
	return in
}

// check holds an answer against the file.
func (o *object) check(out *s3.GetObjectOutput, off int64) error {
	f := o.file
	from, total := int64(0), aws.ToInt64(out.ContentLength)
	if r := aws.ToString(out.ContentRange); r != "" {
		from, total = parseContentRange(r)
	} else if out.ContentLength == nil {
		total = f.Size
	}
	etag := strings.Trim(aws.ToString(out.ETag), `"`)
	version := aws.ToString(out.VersionId)
	modified := aws.ToTime(out.LastModified)
	switch {
	case total != f.Size, f.ETag != "" && etag != "" && etag != f.ETag, f.VersionID != "" && version != "" && version != f.VersionID,
		f.ETag == "" && f.VersionID == "" && !modified.IsZero() && modified.Unix() != f.ModTime.Unix():
		return etl.ErrFileChanged
	case from != off:
		return etl.WithOutcome(etl.Terminal, fmt.Errorf("the store does not serve ranges: asked for byte %d, got %d", off, from))
	}
	return nil
}

// parseContentRange reads "bytes 0-9/100" (RFC 9110, section 14.4); -1 for what
// is not there.
func parseContentRange(header string) (from, total int64) {
	span, size, _ := strings.Cut(strings.TrimPrefix(header, "bytes "), "/")
	first, _, _ := strings.Cut(span, "-")
	from, err := strconv.ParseInt(first, 10, 64)
	if err != nil {
		from = -1
	}
	if total, err = strconv.ParseInt(size, 10, 64); err != nil {
		total = -1
	}
	return from, total
}

// gone tells, where a version is no more, whether other content is there.
func (s *Source) gone(ctx context.Context, o *object, err error) error {
	missing := code(err) == "NoSuchVersion"
	if o.file.VersionID == "" || !missing && !errors.Is(err, etl.ErrFileVanished) {
		return err
	}
	_, herr := s.head(ctx, o.key, "")
	switch {
	case herr == nil:
		return fmt.Errorf("%w: %w", etl.ErrFileChanged, &requestError{op: "GetObject", where: s.where(o.key), what: "the version is gone", cause: err})
	case errors.Is(herr, etl.ErrFileVanished):
		return herr
	}
	return err
}

// errBadEnd is an object whose bytes came, but whose end did not: the SDK finds
// a wrong checksum there.
var errBadEnd = errors.New("the object did not end well")

// readFull fills p and looks for the end behind it, so that the connection can
// be used again and the SDK compares checksums.
func readFull(r io.Reader, p []byte) (int, error) {
	n, err := io.ReadFull(r, p)
	if err != nil {
		return n, err
	}
	var end [1]byte
	if m, err := r.Read(end[:]); m == 0 && err != nil && !errors.Is(err, io.EOF) {
		return n, fmt.Errorf("%w: %w", errBadEnd, err)
	}
	return n, nil
}

// watched puts the stall timer back with everything that comes.
type watched struct {
	r     io.Reader
	timer *time.Timer
	limit time.Duration
}

// Read implements io.Reader.
func (w *watched) Read(p []byte) (int, error) {
	n, err := w.r.Read(p)
	if n > 0 {
		w.timer.Reset(w.limit)
	}
	return n, err
}
