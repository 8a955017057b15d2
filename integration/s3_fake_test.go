//go:build integration

package integration

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/stretchr/testify/require"

	"github.com/tidemark-data/etl/etltest/awstest"
)

// s3Calls is what the fake and the SDK's client have in common, as far as it
// is compared here.
type s3Calls interface {
	PutObject(context.Context, *s3.PutObjectInput, ...func(*s3.Options)) (*s3.PutObjectOutput, error)
	GetObject(context.Context, *s3.GetObjectInput, ...func(*s3.Options)) (*s3.GetObjectOutput, error)
	HeadObject(context.Context, *s3.HeadObjectInput, ...func(*s3.Options)) (*s3.HeadObjectOutput, error)
	CopyObject(context.Context, *s3.CopyObjectInput, ...func(*s3.Options)) (*s3.CopyObjectOutput, error)
	DeleteObject(context.Context, *s3.DeleteObjectInput, ...func(*s3.Options)) (*s3.DeleteObjectOutput, error)
	ListObjectsV2(context.Context, *s3.ListObjectsV2Input, ...func(*s3.Options)) (*s3.ListObjectsV2Output, error)
	CreateMultipartUpload(context.Context, *s3.CreateMultipartUploadInput, ...func(*s3.Options)) (*s3.CreateMultipartUploadOutput, error)
	UploadPart(context.Context, *s3.UploadPartInput, ...func(*s3.Options)) (*s3.UploadPartOutput, error)
	CompleteMultipartUpload(context.Context, *s3.CompleteMultipartUploadInput, ...func(*s3.Options)) (*s3.CompleteMultipartUploadOutput, error)
}

// TestS3FakeAnswersLikeAStore tells the same story to the fake and to a store
// by other hands, and compares the answers.
func TestS3FakeAnswersLikeAStore(t *testing.T) {
	for _, versioning := range []bool{false, true} {
		client := s3Client(startS3(t))
		bucket := newBucket(t, client, "story", versioning)
		fake := awstest.NewS3(awstest.S3Options{}, *bucket)
		fake.SetVersioning(*bucket, versioning)
		store, own := &story{t: t, s: client, bucket: bucket, versioning: versioning}, &story{t: t, s: fake, bucket: bucket, versioning: versioning}
		store.tell()
		own.tell()
		require.Equal(t, store.answers, own.answers)
		require.Greater(t, len(own.answers), 30)
	}
}

type story struct {
	t          *testing.T
	s          s3Calls
	bucket     *string
	versioning bool
	answers    []string
}

// note keeps what an answer says: its status where it is an error, and details.
func (y *story) note(what string, err error, details ...any) {
	var response *awshttp.ResponseError
	status := 200
	if errors.As(err, &response) {
		status = response.HTTPStatusCode()
	} else if err != nil {
		status = -1
	}
	if err != nil {
		details = nil
	}
	y.answers = append(y.answers, fmt.Sprintf("%s: %d %v", what, status, details))
}

func (y *story) put(key, content string, match, none *string) *string {
	out, err := y.s.PutObject(y.t.Context(), &s3.PutObjectInput{
		Bucket: y.bucket, Key: &key, Body: bytes.NewReader([]byte(content)), IfMatch: match, IfNoneMatch: none,
	})
	if err != nil {
		y.note("put "+key, err)
		return nil
	}
	y.note("put "+key, nil, *out.ETag)
	return out.ETag
}

func (y *story) get(key string, rng, match, none *string) {
	what := fmt.Sprint("get ", key, " ", aws.ToString(rng))
	out, err := y.s.GetObject(y.t.Context(), &s3.GetObjectInput{Bucket: y.bucket, Key: &key, Range: rng, IfMatch: match, IfNoneMatch: none})
	if err != nil {
		y.note(what, err)
		return
	}
	defer out.Body.Close()
	data, err := io.ReadAll(out.Body)
	y.note(what, err, string(data), aws.ToString(out.ContentRange), aws.ToString(out.ETag), aws.ToInt64(out.ContentLength))
}

func (y *story) remove(key string, match *string) {
	_, err := y.s.DeleteObject(y.t.Context(), &s3.DeleteObjectInput{Bucket: y.bucket, Key: &key, IfMatch: match})
	y.note("delete "+key, err)
}

func (y *story) tell() {
	other, star := aws.String(`"00000000000000000000000000000000"`), aws.String("*")
	tag := y.put("a", "0123456789", nil, nil)
	y.put("a", "x", nil, star)
	y.put("a", "x", other, nil)
	y.put("new", "x", nil, star)
	y.put("none", "x", other, nil)
	for _, r := range []string{"bytes=0-0", "bytes=3-5", "bytes=8-100", "bytes=7-", "bytes=-3", "bytes=-100", "bytes=10-", "bytes=100-200"} {
		y.get("a", &r, nil, nil)
	}
	y.get("a", nil, tag, nil)
	y.get("a", nil, other, nil)
	y.get("a", nil, nil, tag)
	y.get("none", nil, tag, nil)
	_, err := y.s.HeadObject(y.t.Context(), &s3.HeadObjectInput{Bucket: y.bucket, Key: aws.String("none")})
	y.note("head", err)
	_, err = y.s.CopyObject(y.t.Context(), &s3.CopyObjectInput{
		Bucket: y.bucket, Key: aws.String("copied"), CopySource: aws.String(*y.bucket + "/a"), CopySourceIfMatch: other,
	})
	y.note("copy", err)
	_, err = y.s.CopyObject(y.t.Context(), &s3.CopyObjectInput{
		Bucket: y.bucket, Key: aws.String("copied"), CopySource: aws.String(*y.bucket + "/a"), CopySourceIfMatch: tag,
	})
	y.note("copy", err)
	y.upload(other, star)
	y.list()
	y.remove("a", other)
	y.remove("a", tag)
	y.get("a", nil, nil, nil)
	y.remove("a", nil)
	if y.versioning {
		star = nil // S3 writes over a delete marker, the gateway does not
	}
	y.put("a", "again", nil, star)
	y.list()
}

// upload completes an upload of two parts under conditions.
func (y *story) upload(other, star *string) {
	key := aws.String("multi")
	ctx := y.t.Context()
	up, err := y.s.CreateMultipartUpload(ctx, &s3.CreateMultipartUploadInput{Bucket: y.bucket, Key: key})
	require.NoError(y.t, err)
	var parts []types.CompletedPart
	for i, size := range []int{5 << 20, 10} {
		n := aws.Int32(int32(i + 1))
		out, err := y.s.UploadPart(ctx, &s3.UploadPartInput{Bucket: y.bucket, Key: key, UploadId: up.UploadId, PartNumber: n, Body: bytes.NewReader(s3Noise(1, size))})
		require.NoError(y.t, err)
		parts = append(parts, types.CompletedPart{PartNumber: n, ETag: out.ETag})
	}
	complete := func(what string, match, none *string, parts ...types.CompletedPart) {
		out, err := y.s.CompleteMultipartUpload(ctx, &s3.CompleteMultipartUploadInput{
			Bucket: y.bucket, Key: key, UploadId: up.UploadId, IfMatch: match, IfNoneMatch: none,
			MultipartUpload: &types.CompletedMultipartUpload{Parts: parts},
		})
		if err != nil {
			y.note(what, err)
			return
		}
		y.note(what, nil, *out.ETag)
	}
	complete("out of order", nil, nil, parts[1], parts[0])
	complete("another part", nil, nil, types.CompletedPart{PartNumber: aws.Int32(1), ETag: other})
	complete("not there", other, nil, parts...)
	complete("complete", nil, star, parts...)
}

func (y *story) list() {
	for _, in := range []*s3.ListObjectsV2Input{{}, {Prefix: aws.String("c")}, {StartAfter: aws.String("copied")}, {MaxKeys: aws.Int32(2)}} {
		in.Bucket = y.bucket
		for {
			out, err := y.s.ListObjectsV2(y.t.Context(), in)
			require.NoError(y.t, err)
			for _, o := range out.Contents {
				y.note("list", nil, *o.Key, *o.Size, *o.ETag)
			}
			y.note("page", nil, *out.KeyCount, *out.IsTruncated)
			if !*out.IsTruncated {
				break
			}
			in.ContinuationToken = out.NextContinuationToken
		}
	}
}
