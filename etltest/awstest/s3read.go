package awstest

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
)

// GetObject returns an object or a range of it.
func (s *S3) GetObject(ctx context.Context, in *s3.GetObjectInput, _ ...func(*s3.Options)) (*s3.GetObjectOutput, error) {
	req := S3Request{
		Op: "GetObject", Bucket: aws.ToString(in.Bucket), Key: aws.ToString(in.Key), VersionID: aws.ToString(in.VersionId),
		Range: aws.ToString(in.Range), IfMatch: aws.ToString(in.IfMatch), IfNoneMatch: aws.ToString(in.IfNoneMatch),
		RequestPayer: string(in.RequestPayer), owner: aws.ToString(in.ExpectedBucketOwner),
	}
	var data []byte
	out, fault, err := s3Call(ctx, s, req, func(b *s3Bucket) (*s3.GetObjectOutput, error) {
		v, err := b.read(req)
		if err != nil {
			return nil, err
		}
		from, to, contentRange, err := s3Range(req.Range, int64(len(v.data)))
		if err != nil {
			return nil, err
		}
		data = v.data[from:to]
		return &s3.GetObjectOutput{
			ETag: &v.etag, VersionId: b.shownID(v), LastModified: aws.Time(v.modTime), ContentLength: aws.Int64(to - from),
			ContentRange: contentRange, ContentType: v.contentType, Metadata: v.metadata, AcceptRanges: aws.String("bytes"),
			TagCount: s3TagCount(v),
		}, nil
	})
	if err != nil {
		return nil, err
	}
	body, cancel := context.WithCancel(ctx)
	out.Body = &s3Body{ctx: body, cancel: cancel, data: bytes.NewReader(data), fault: fault}
	return out, nil
}

// HeadObject returns what GetObject returns, without the content.
func (s *S3) HeadObject(ctx context.Context, in *s3.HeadObjectInput, _ ...func(*s3.Options)) (*s3.HeadObjectOutput, error) {
	req := S3Request{
		Op: "HeadObject", Bucket: aws.ToString(in.Bucket), Key: aws.ToString(in.Key), VersionID: aws.ToString(in.VersionId),
		IfMatch: aws.ToString(in.IfMatch), IfNoneMatch: aws.ToString(in.IfNoneMatch),
		RequestPayer: string(in.RequestPayer), owner: aws.ToString(in.ExpectedBucketOwner),
	}
	out, _, err := s3Call(ctx, s, req, func(b *s3Bucket) (*s3.HeadObjectOutput, error) {
		v, err := b.read(req)
		if err != nil {
			return nil, err
		}
		return &s3.HeadObjectOutput{
			ETag: &v.etag, VersionId: b.shownID(v), LastModified: aws.Time(v.modTime), ContentLength: aws.Int64(int64(len(v.data))),
			ContentType: v.contentType, Metadata: v.metadata, AcceptRanges: aws.String("bytes"), TagCount: s3TagCount(v),
		}, nil
	})
	return out, err
}

func s3TagCount(v *s3Version) *int32 {
	if len(v.tags) == 0 {
		return nil
	}
	return aws.Int32(int32(len(v.tags)))
}

// read finds the version that a request means, and holds it against its conditions.
func (b *s3Bucket) read(req S3Request) (*s3Version, error) {
	v, err := b.find(req)
	if err != nil {
		return nil, err
	}
	if m := req.IfMatch; m != "" && m != "*" && !s3SameTag(m, v.etag) {
		return nil, s3Precondition(req.Op)
	}
	if m := req.IfNoneMatch; m != "" && (m == "*" || s3SameTag(m, v.etag)) {
		return nil, S3Error(304, "NotModified", "Not Modified")
	}
	return v, nil
}

func (b *s3Bucket) find(req S3Request) (*s3Version, error) {
	if req.VersionID == "" {
		if v := b.live(req.Key); v != nil {
			return v, nil
		}
		return nil, s3NoSuchKey(req.Op)
	}
	for _, v := range b.objects[req.Key] {
		if v.id == req.VersionID && v.marker {
			return nil, s3Headless(req.Op, 405, "MethodNotAllowed", "The specified method is not allowed against this resource.")
		}
		if v.id == req.VersionID {
			return v, nil
		}
	}
	return nil, s3Headless(req.Op, 404, "NoSuchVersion", "The specified version does not exist.")
}

// s3SameTag compares entity tags; the quotes may be missing in requests.
func s3SameTag(a, b string) bool { return strings.Trim(a, `"`) == strings.Trim(b, `"`) }

// s3Range reads a Range header of one range, as RFC 9110 section 14 has it;
// what is no such range is ignored.
func s3Range(header string, size int64) (from, to int64, contentRange *string, err error) {
	spec, ok := strings.CutPrefix(header, "bytes=")
	first, last, dash := strings.Cut(spec, "-")
	if !ok || !dash || strings.Contains(spec, ",") {
		return 0, size, nil, nil
	}
	from, ferr := strconv.ParseInt(first, 10, 64)
	to, terr := strconv.ParseInt(last, 10, 64)
	switch {
	case first == "" && terr == nil: // the last bytes
		from, to = max(size-to, 0), size
	case ferr == nil && last == "":
		to = size
	case ferr == nil && terr == nil && from <= to:
		to = min(to, size-1) + 1
	default:
		return 0, size, nil, nil
	}
	if from >= size || from >= to {
		return 0, 0, nil, S3Error(416, "InvalidRange", "The requested range is not satisfiable")
	}
	return from, to, aws.String(fmt.Sprintf("bytes %d-%d/%d", from, to-1, size)), nil
}

// s3Body is the body of an answer, with its faults.
type s3Body struct {
	ctx    context.Context
	cancel context.CancelFunc
	data   *bytes.Reader
	fault  S3Fault
	sent   int64
}

// Read implements io.Reader.
func (b *s3Body) Read(p []byte) (int, error) {
	if err := b.ctx.Err(); err != nil {
		return 0, err
	}
	if b.fault.Break || b.fault.Stall {
		left := b.fault.After - b.sent
		switch {
		case left <= 0 && b.fault.Break:
			return 0, ErrReset
		case left <= 0:
			<-b.ctx.Done()
			return 0, b.ctx.Err()
		}
		p = p[:min(int64(len(p)), left)]
	}
	if rate := b.fault.BytesPerSecond; rate > 0 {
		p = p[:min(len(p), 256<<10)]
		if err := s3Wait(b.ctx, time.Duration(int64(len(p))*int64(time.Second)/rate)); err != nil {
			return 0, err
		}
	}
	n, err := b.data.Read(p)
	b.sent += int64(n)
	return n, err
}

// Close implements io.Closer.
func (b *s3Body) Close() error {
	b.cancel()
	return nil
}

var _ io.ReadCloser = (*s3Body)(nil)
