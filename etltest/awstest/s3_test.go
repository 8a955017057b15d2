package awstest_test

import (
	"context"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/stretchr/testify/require"

	"github.com/tidemark-data/etl/etltest/awstest"
)

// s3Client is what the fake and the SDK's client have in common.
type s3Client interface {
	PutObject(context.Context, *s3.PutObjectInput, ...func(*s3.Options)) (*s3.PutObjectOutput, error)
	GetObject(context.Context, *s3.GetObjectInput, ...func(*s3.Options)) (*s3.GetObjectOutput, error)
	HeadObject(context.Context, *s3.HeadObjectInput, ...func(*s3.Options)) (*s3.HeadObjectOutput, error)
	CopyObject(context.Context, *s3.CopyObjectInput, ...func(*s3.Options)) (*s3.CopyObjectOutput, error)
	DeleteObject(context.Context, *s3.DeleteObjectInput, ...func(*s3.Options)) (*s3.DeleteObjectOutput, error)
	DeleteObjects(context.Context, *s3.DeleteObjectsInput, ...func(*s3.Options)) (*s3.DeleteObjectsOutput, error)
	ListObjectsV2(context.Context, *s3.ListObjectsV2Input, ...func(*s3.Options)) (*s3.ListObjectsV2Output, error)
	GetObjectTagging(context.Context, *s3.GetObjectTaggingInput, ...func(*s3.Options)) (*s3.GetObjectTaggingOutput, error)
	PutObjectTagging(context.Context, *s3.PutObjectTaggingInput, ...func(*s3.Options)) (*s3.PutObjectTaggingOutput, error)
	CreateMultipartUpload(context.Context, *s3.CreateMultipartUploadInput, ...func(*s3.Options)) (*s3.CreateMultipartUploadOutput, error)
	UploadPart(context.Context, *s3.UploadPartInput, ...func(*s3.Options)) (*s3.UploadPartOutput, error)
	AbortMultipartUpload(context.Context, *s3.AbortMultipartUploadInput, ...func(*s3.Options)) (*s3.AbortMultipartUploadOutput, error)
	CompleteMultipartUpload(context.Context, *s3.CompleteMultipartUploadInput, ...func(*s3.Options)) (*s3.CompleteMultipartUploadOutput, error)
}

var (
	_ s3Client = (*awstest.S3)(nil)
	_ s3Client = (*s3.Client)(nil)
)

var b = aws.String("b")

func s3Put(t *testing.T, fake *awstest.S3, key, content string) *s3.PutObjectOutput {
	t.Helper()
	out, err := fake.PutObject(t.Context(), &s3.PutObjectInput{Bucket: b, Key: &key, Body: strings.NewReader(content)})
	require.NoError(t, err)
	return out
}

func s3Get(t *testing.T, fake *awstest.S3, in *s3.GetObjectInput) (string, error) {
	t.Helper()
	in.Bucket = b
	out, err := fake.GetObject(t.Context(), in)
	if err != nil {
		return "", err
	}
	defer out.Body.Close()
	data, err := io.ReadAll(out.Body)
	return string(data), err
}

func requireAnswer(t *testing.T, err error, status int, code string) {
	t.Helper()
	require.Error(t, err)
	var response *awshttp.ResponseError
	require.ErrorAs(t, err, &response)
	require.Equal(t, status, response.HTTPStatusCode())
	require.Equal(t, code, awstest.S3ErrorCode(err))
}

func TestS3ConditionsOfWrites(t *testing.T) {
	fake := awstest.NewS3(awstest.S3Options{MinPartSize: 1}, "b")
	writes := map[string]func(key string, match, none *string) error{
		"put": func(key string, match, none *string) error {
			_, err := fake.PutObject(t.Context(), &s3.PutObjectInput{Bucket: b, Key: &key, IfMatch: match, IfNoneMatch: none})
			return err
		},
		"multipart": func(key string, match, none *string) error {
			up, err := fake.CreateMultipartUpload(t.Context(), &s3.CreateMultipartUploadInput{Bucket: b, Key: &key})
			require.NoError(t, err)
			part, err := fake.UploadPart(t.Context(), &s3.UploadPartInput{Bucket: b, Key: &key, UploadId: up.UploadId, PartNumber: aws.Int32(1)})
			require.NoError(t, err)
			_, err = fake.CompleteMultipartUpload(t.Context(), &s3.CompleteMultipartUploadInput{
				Bucket: b, Key: &key, UploadId: up.UploadId, IfMatch: match, IfNoneMatch: none,
				MultipartUpload: &types.CompletedMultipartUpload{Parts: []types.CompletedPart{{PartNumber: aws.Int32(1), ETag: part.ETag}}},
			})
			return err
		},
		"copy": func(key string, match, none *string) error {
			_, err := fake.CopyObject(t.Context(), &s3.CopyObjectInput{Bucket: b, Key: &key, CopySource: aws.String("b/from"), IfMatch: match, IfNoneMatch: none})
			return err
		},
	}
	s3Put(t, fake, "from", "x")
	for name, write := range writes {
		t.Run(name, func(t *testing.T) {
			there := s3Put(t, fake, name+"there", "x").ETag
			star, other := aws.String("*"), aws.String(`"other"`)
			requireAnswer(t, write(name+"there", nil, star), 412, "PreconditionFailed")
			requireAnswer(t, write(name+"there", other, nil), 412, "PreconditionFailed")
			requireAnswer(t, write(name+"none", there, nil), 404, "NoSuchKey")
			requireAnswer(t, write(name+"there", nil, other), 501, "NotImplemented")
			require.NoError(t, write(name+"there", there, nil))
			require.NoError(t, write(name+"none", nil, star))
		})
	}
}

func TestS3ConditionsOfReadsAndDeletes(t *testing.T) {
	fake := awstest.NewS3(awstest.S3Options{}, "b")
	tag := s3Put(t, fake, "k", "content").ETag
	_, err := s3Get(t, fake, &s3.GetObjectInput{Key: aws.String("k"), IfMatch: aws.String(`"x"`)})
	requireAnswer(t, err, 412, "PreconditionFailed")
	_, err = s3Get(t, fake, &s3.GetObjectInput{Key: aws.String("k"), IfNoneMatch: tag})
	requireAnswer(t, err, 304, "NotModified")
	_, err = s3Get(t, fake, &s3.GetObjectInput{Key: aws.String("none"), IfMatch: tag})
	requireAnswer(t, err, 404, "NoSuchKey")
	_, err = fake.HeadObject(t.Context(), &s3.HeadObjectInput{Bucket: b, Key: aws.String("none")})
	requireAnswer(t, err, 404, "NotFound")

	remove := func(key, match string) error {
		_, err := fake.DeleteObject(t.Context(), &s3.DeleteObjectInput{Bucket: b, Key: &key, IfMatch: &match})
		return err
	}
	requireAnswer(t, remove("k", `"x"`), 412, "PreconditionFailed")
	requireAnswer(t, remove("none", *tag), 404, "NoSuchKey")
	many, err := fake.DeleteObjects(t.Context(), &s3.DeleteObjectsInput{Bucket: b, Delete: &types.Delete{Objects: []types.ObjectIdentifier{
		{Key: aws.String("k"), ETag: aws.String(`"x"`)}, {Key: aws.String("none")},
	}}})
	require.NoError(t, err)
	require.Len(t, many.Deleted, 1)
	require.Equal(t, "PreconditionFailed", *many.Errors[0].Code)
	require.NoError(t, remove("k", *tag))
	_, err = s3Get(t, fake, &s3.GetObjectInput{Key: aws.String("k")})
	requireAnswer(t, err, 404, "NoSuchKey")
	_, err = fake.PutObject(t.Context(), &s3.PutObjectInput{Bucket: aws.String("none"), Key: aws.String("k")})
	requireAnswer(t, err, 404, "NoSuchBucket")
}

func TestS3Ranges(t *testing.T) {
	fake := awstest.NewS3(awstest.S3Options{}, "b")
	s3Put(t, fake, "k", "0123456789")
	s3Put(t, fake, "empty", "")
	for r, want := range map[string]string{
		"": "0123456789", "bytes=0-0": "0", "bytes=3-5": "345", "bytes=8-100": "89", "bytes=7-": "789", "bytes=-3": "789", "bytes=-100": "0123456789",
		"bytes=5-3": "0123456789", "pages=1-2": "0123456789",
	} {
		got, err := s3Get(t, fake, &s3.GetObjectInput{Key: aws.String("k"), Range: aws.String(r)})
		require.NoError(t, err)
		require.Equal(t, want, got, r)
	}
	for _, c := range [][2]string{{"k", "bytes=10-"}, {"k", "bytes=-0"}, {"empty", "bytes=0-0"}} {
		_, err := s3Get(t, fake, &s3.GetObjectInput{Key: &c[0], Range: &c[1]})
		requireAnswer(t, err, 416, "InvalidRange")
	}
}

func TestS3Versions(t *testing.T) {
	fake := awstest.NewS3(awstest.S3Options{}, "b")
	key := aws.String("k")
	require.Nil(t, s3Put(t, fake, "k", "unversioned").VersionId)
	fake.SetVersioning("b", true)
	one, two := s3Put(t, fake, "k", "one").VersionId, s3Put(t, fake, "k", "two").VersionId
	require.NotEqual(t, *one, *two)
	marker, err := fake.DeleteObject(t.Context(), &s3.DeleteObjectInput{Bucket: b, Key: key})
	require.NoError(t, err)
	require.True(t, *marker.DeleteMarker)
	for id, want := range map[string]string{"null": "unversioned", *one: "one", *two: "two"} {
		got, err := s3Get(t, fake, &s3.GetObjectInput{Key: key, VersionId: &id})
		require.NoError(t, err)
		require.Equal(t, want, got)
	}
	_, err = s3Get(t, fake, &s3.GetObjectInput{Key: key})
	requireAnswer(t, err, 404, "NoSuchKey")
	_, err = s3Get(t, fake, &s3.GetObjectInput{Key: key, VersionId: marker.VersionId})
	requireAnswer(t, err, 405, "MethodNotAllowed")
	_, err = s3Get(t, fake, &s3.GetObjectInput{Key: key, VersionId: aws.String("x")})
	requireAnswer(t, err, 404, "NoSuchVersion")
	_, err = fake.DeleteObject(t.Context(), &s3.DeleteObjectInput{Bucket: b, Key: key, VersionId: marker.VersionId})
	require.NoError(t, err)
	got, err := s3Get(t, fake, &s3.GetObjectInput{Key: key})
	require.NoError(t, err)
	require.Equal(t, "two", got, "without the marker it is back")

	fake.SetVersioning("b", false)
	require.Equal(t, "null", *s3Put(t, fake, "k", "suspended").VersionId)
	_, err = s3Get(t, fake, &s3.GetObjectInput{Key: key, VersionId: one})
	require.NoError(t, err)
}

func TestS3CopySourcesAreEncoded(t *testing.T) {
	fake := awstest.NewS3(awstest.S3Options{}, "b")
	s3Put(t, fake, "a b", "space")
	s3Put(t, fake, "a+b", "plus")
	for source, want := range map[string]string{"b/a+b": "space", "b/a%20b": "space", "/b/a%2Bb": "plus"} {
		_, err := fake.CopyObject(t.Context(), &s3.CopyObjectInput{Bucket: b, Key: aws.String("to"), CopySource: &source})
		require.NoError(t, err)
		got, err := s3Get(t, fake, &s3.GetObjectInput{Key: aws.String("to")})
		require.NoError(t, err)
		require.Equal(t, want, got)
	}
	_, err := fake.CopyObject(t.Context(), &s3.CopyObjectInput{Bucket: b, Key: aws.String("to"), CopySource: aws.String("b/a+b"), CopySourceIfMatch: aws.String(`"x"`)})
	requireAnswer(t, err, 412, "PreconditionFailed")
}

func TestS3Faults(t *testing.T) {
	var fault awstest.S3Fault
	fake := awstest.NewS3(awstest.S3Options{Hook: func(awstest.S3Request) awstest.S3Fault { return fault }}, "b")
	s3Put(t, fake, "k", "0123456789")
	key := aws.String("k")

	fault = awstest.S3Fault{Break: true, After: 4}
	got, err := s3Get(t, fake, &s3.GetObjectInput{Key: key})
	require.ErrorIs(t, err, awstest.ErrReset)
	require.Equal(t, "0123", got)

	fault = awstest.S3Fault{Stall: true, After: 4}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	out, err := fake.GetObject(ctx, &s3.GetObjectInput{Bucket: b, Key: key})
	require.NoError(t, err)
	_, err = io.ReadAll(out.Body)
	require.ErrorIs(t, err, context.DeadlineExceeded)

	fault = awstest.S3Fault{LostAnswer: true}
	_, err = fake.PutObject(t.Context(), &s3.PutObjectInput{Bucket: b, Key: aws.String("lost"), Body: strings.NewReader("x")})
	require.ErrorIs(t, err, awstest.ErrReset)
	fault = awstest.S3Fault{Err: awstest.S3SlowDown()}
	_, err = fake.PutObject(t.Context(), &s3.PutObjectInput{Bucket: b, Key: aws.String("slow"), Body: strings.NewReader("x")})
	requireAnswer(t, err, 503, "SlowDown")
	fault = awstest.S3Fault{}
	got, err = s3Get(t, fake, &s3.GetObjectInput{Key: aws.String("lost")})
	require.NoError(t, err)
	require.Equal(t, "x", got, "it took effect")
	_, err = s3Get(t, fake, &s3.GetObjectInput{Key: aws.String("slow")})
	require.Error(t, err, "it had no effect")
	require.True(t, errors.As(err, new(*types.NoSuchKey)))
	ops := []string{}
	for _, r := range fake.Requests() {
		ops = append(ops, r.Op+" "+r.Key)
	}
	require.Equal(t, []string{"PutObject k", "GetObject k", "GetObject k", "PutObject lost", "PutObject slow", "GetObject lost", "GetObject slow"}, ops)
}
