package awstest

import (
	"context"
	"encoding/base64"
	"errors"
	"net/url"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/smithy-go"
)

// S3ErrorCode returns the code of an answer, as "NoSuchKey"; "" if it is none.
func S3ErrorCode(err error) string {
	var api smithy.APIError
	if errors.As(err, &api) {
		return api.ErrorCode()
	}
	return ""
}

// ListObjectsV2 lists a page of the current objects, by their keys as UTF-8 bytes.
func (s *S3) ListObjectsV2(ctx context.Context, in *s3.ListObjectsV2Input, _ ...func(*s3.Options)) (*s3.ListObjectsV2Output, error) {
	req := S3Request{
		Op: "ListObjectsV2", Bucket: aws.ToString(in.Bucket), Key: aws.ToString(in.Prefix),
		RequestPayer: string(in.RequestPayer), EncodingType: string(in.EncodingType), owner: aws.ToString(in.ExpectedBucketOwner),
	}
	out, _, err := s3Call(ctx, s, req, func(b *s3Bucket) (*s3.ListObjectsV2Output, error) {
		p, err := s.newPage(in)
		if err != nil {
			return nil, err
		}
		for _, key := range b.keysAfter(p.after, aws.ToString(in.Prefix)) {
			if !p.take(key, b.live(key)) {
				break
			}
		}
		return p.out, p.err
	})
	return out, err
}

// keysAfter returns the keys of live objects behind one, sorted.
func (b *s3Bucket) keysAfter(after, prefix string) []string {
	var keys []string
	for key := range b.objects {
		if key > after && strings.HasPrefix(key, prefix) && b.live(key) != nil {
			keys = append(keys, key)
		}
	}
	slices.Sort(keys)
	return keys
}

// s3Page is a page of a listing while it is filled.
type s3Page struct {
	in    *s3.ListObjectsV2Input
	out   *s3.ListObjectsV2Output
	after string
	last  string
	room  int32
	err   error
}

func (s *S3) newPage(in *s3.ListObjectsV2Input) (*s3Page, error) {
	room := int32(s.opts.PageSize)
	if in.MaxKeys != nil {
		room = min(room, max(*in.MaxKeys, 0))
	}
	p := &s3Page{in: in, room: room, after: aws.ToString(in.StartAfter), out: &s3.ListObjectsV2Output{
		Name: in.Bucket, Prefix: in.Prefix, Delimiter: in.Delimiter, StartAfter: in.StartAfter, ContinuationToken: in.ContinuationToken,
		EncodingType: in.EncodingType, MaxKeys: aws.Int32(room), KeyCount: aws.Int32(0), IsTruncated: aws.Bool(false),
	}}
	if in.ContinuationToken != nil {
		token, err := base64.RawURLEncoding.DecodeString(*in.ContinuationToken)
		if err != nil || len(token) == 0 {
			return nil, S3Error(400, "InvalidArgument", "The continuation token provided is incorrect")
		}
		p.after = string(token)
	}
	return p, nil
}

func (p *s3Page) take(key string, v *s3Version) bool {
	prefix, delimiter := aws.ToString(p.in.Prefix), aws.ToString(p.in.Delimiter)
	common := ""
	if i := strings.Index(key[len(prefix):], delimiter); delimiter != "" && i >= 0 {
		common = key[:len(prefix)+i+len(delimiter)]
		listed := p.last
		if listed == "" && p.in.ContinuationToken != nil {
			listed = p.after
		}
		if listed != "" && strings.HasPrefix(listed, common) {
			return true // this group was listed already
		}
	}
	if *p.out.KeyCount == p.room {
		if p.last != "" {
			p.out.IsTruncated = aws.Bool(true)
			p.out.NextContinuationToken = aws.String(base64.RawURLEncoding.EncodeToString([]byte(p.last)))
		}
		return false
	}
	*p.out.KeyCount++
	p.last = key
	if common != "" {
		p.out.CommonPrefixes = append(p.out.CommonPrefixes, types.CommonPrefix{Prefix: p.encode(common)})
		return true
	}
	p.out.Contents = append(p.out.Contents, types.Object{
		Key: p.encode(key), ETag: aws.String(v.etag), Size: aws.Int64(int64(len(v.data))), LastModified: aws.Time(v.modTime),
	})
	return true
}

// encode writes a key as the answer's XML can hold it.
func (p *s3Page) encode(key string) *string {
	if p.in.EncodingType == types.EncodingTypeUrl {
		return aws.String(strings.ReplaceAll(url.QueryEscape(key), "%2F", "/"))
	}
	for _, r := range key {
		if r < ' ' && r != '\t' && r != '\n' && r != '\r' || r == utf8.RuneError || r == '\ufffe' || r == '\uffff' {
			p.err = &smithy.DeserializationError{Err: errors.New("XML syntax error: illegal character code")}
		}
	}
	return &key
}
