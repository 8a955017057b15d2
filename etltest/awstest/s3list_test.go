package awstest_test

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/stretchr/testify/require"

	"github.com/tidemark-data/etl/etltest/awstest"
)

func TestS3ListsInPagesByBytes(t *testing.T) {
	fake := awstest.NewS3(awstest.S3Options{}, "b")
	var keys []string
	for i := range 1500 {
		keys = append(keys, fmt.Sprintf("p/%04d", i))
	}
	keys = append(keys, "p/\uffff", "p/\U0001f600", "p/z", "p/a b", "p/\x01")
	for _, k := range keys {
		s3Put(t, fake, k, "")
	}
	s3Put(t, fake, "q", "")
	slices.Sort(keys)
	in := &s3.ListObjectsV2Input{Bucket: b, Prefix: aws.String("p/"), EncodingType: types.EncodingTypeUrl, MaxKeys: aws.Int32(5000)}
	first, err := fake.ListObjectsV2(t.Context(), in)
	require.NoError(t, err)
	require.Len(t, first.Contents, 1000)
	require.True(t, *first.IsTruncated)
	require.Equal(t, "p/%01", *first.Contents[0].Key)
	in.ContinuationToken = first.NextContinuationToken
	second, err := fake.ListObjectsV2(t.Context(), in)
	require.NoError(t, err)
	require.Len(t, second.Contents, len(keys)-1000)
	require.False(t, *second.IsTruncated)
	require.Equal(t, []string{"p/a+b", "p/z", "p/%EF%BF%BF", "p/%F0%9F%98%80"}, []string{
		*second.Contents[len(second.Contents)-4].Key, *second.Contents[len(second.Contents)-3].Key,
		*second.Contents[len(second.Contents)-2].Key, *second.Contents[len(second.Contents)-1].Key,
	})
	_, err = fake.ListObjectsV2(t.Context(), &s3.ListObjectsV2Input{Bucket: b})
	require.ErrorContains(t, err, "illegal character", "XML cannot hold every key")
}

func TestS3ListsFolders(t *testing.T) {
	fake := awstest.NewS3(awstest.S3Options{PageSize: 2}, "b")
	for _, k := range []string{"a/1", "a/2", "b", "c/1", "c/2", "c/3", "d"} {
		s3Put(t, fake, k, "")
	}
	var got []string
	in := &s3.ListObjectsV2Input{Bucket: b, Delimiter: aws.String("/")}
	for {
		out, err := fake.ListObjectsV2(t.Context(), in)
		require.NoError(t, err)
		require.Equal(t, int(*out.KeyCount), len(out.Contents)+len(out.CommonPrefixes))
		for _, p := range out.CommonPrefixes {
			got = append(got, *p.Prefix)
		}
		for _, o := range out.Contents {
			got = append(got, *o.Key)
		}
		if !*out.IsTruncated {
			break
		}
		in.ContinuationToken = out.NextContinuationToken
	}
	require.Equal(t, []string{"a/", "b", "c/", "d"}, got)
}

func TestS3Multipart(t *testing.T) {
	fake := awstest.NewS3(awstest.S3Options{}, "b")
	key := aws.String("k")
	up, err := fake.CreateMultipartUpload(t.Context(), &s3.CreateMultipartUploadInput{Bucket: b, Key: key})
	require.NoError(t, err)
	part := func(n int32, content []byte) types.CompletedPart {
		out, err := fake.UploadPart(t.Context(), &s3.UploadPartInput{Bucket: b, Key: key, UploadId: up.UploadId, PartNumber: &n, Body: bytes.NewReader(content)})
		require.NoError(t, err)
		return types.CompletedPart{PartNumber: &n, ETag: out.ETag}
	}
	complete := func(parts ...types.CompletedPart) (*s3.CompleteMultipartUploadOutput, error) {
		return fake.CompleteMultipartUpload(t.Context(), &s3.CompleteMultipartUploadInput{
			Bucket: b, Key: key, UploadId: up.UploadId, MultipartUpload: &types.CompletedMultipartUpload{Parts: parts},
		})
	}
	big, small := part(1, make([]byte, 5<<20)), part(2, []byte("x"))
	_, err = complete()
	requireAnswer(t, err, 400, "MalformedXML")
	for _, wrong := range [][]types.CompletedPart{{small, big}, {big, big}} {
		_, err = complete(wrong...)
		requireAnswer(t, err, 400, "InvalidPartOrder")
	}
	_, err = complete(big, types.CompletedPart{PartNumber: aws.Int32(2), ETag: big.ETag})
	requireAnswer(t, err, 400, "InvalidPart")
	last := part(3, []byte("y"))
	_, err = complete(big, small, last)
	requireAnswer(t, err, 400, "EntityTooSmall")
	out, err := complete(big, last)
	require.NoError(t, err)
	require.True(t, strings.HasSuffix(*out.ETag, `-2"`), *out.ETag)
	got, err := s3Get(t, fake, &s3.GetObjectInput{Key: key})
	require.NoError(t, err)
	require.Len(t, got, 5<<20+1)
	_, err = complete(big, last)
	requireAnswer(t, err, 404, "NoSuchUpload")
	_, err = fake.AbortMultipartUpload(t.Context(), &s3.AbortMultipartUploadInput{Bucket: b, Key: key, UploadId: up.UploadId})
	requireAnswer(t, err, 404, "NoSuchUpload")
}
