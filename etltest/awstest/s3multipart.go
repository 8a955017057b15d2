package awstest

import (
	"cmp"
	"context"
	"crypto/md5" //nolint:gosec // entity tags are MD5
	"encoding/hex"
	"fmt"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
)

// s3Upload is a multipart upload under way.
type s3Upload struct {
	key   string
	draft s3Version
	parts map[int32][]byte
}

// CreateMultipartUpload begins an upload.
func (s *S3) CreateMultipartUpload(ctx context.Context, in *s3.CreateMultipartUploadInput, _ ...func(*s3.Options)) (*s3.CreateMultipartUploadOutput, error) {
	req := S3Request{
		Op: "CreateMultipartUpload", Bucket: aws.ToString(in.Bucket), Key: aws.ToString(in.Key),
		RequestPayer: string(in.RequestPayer), owner: aws.ToString(in.ExpectedBucketOwner),
	}
	out, _, err := s3Call(ctx, s, req, func(b *s3Bucket) (*s3.CreateMultipartUploadOutput, error) {
		tags, err := s3ParseTags(aws.ToString(in.Tagging))
		if err != nil {
			return nil, err
		}
		id := s.newID()
		b.uploads[id] = &s3Upload{
			key: req.Key, parts: map[int32][]byte{},
			draft: s3Version{contentType: in.ContentType, metadata: in.Metadata, tags: tags},
		}
		return &s3.CreateMultipartUploadOutput{Bucket: in.Bucket, Key: in.Key, UploadId: &id}, nil
	})
	return out, err
}

func (b *s3Bucket) upload(key string, id *string) (*s3Upload, error) {
	u := b.uploads[aws.ToString(id)]
	if u == nil || u.key != key {
		return nil, S3Error(404, "NoSuchUpload", "The specified upload does not exist. The upload ID may be invalid, or the upload may have been aborted or completed.")
	}
	return u, nil
}

// UploadPart stores a part of an upload, over the one of the same number.
func (s *S3) UploadPart(ctx context.Context, in *s3.UploadPartInput, _ ...func(*s3.Options)) (*s3.UploadPartOutput, error) {
	req := S3Request{
		Op: "UploadPart", Bucket: aws.ToString(in.Bucket), Key: aws.ToString(in.Key),
		RequestPayer: string(in.RequestPayer), owner: aws.ToString(in.ExpectedBucketOwner),
	}
	data, err := s3ReadBody(in.Body)
	if err != nil {
		return nil, s3Failed(req.Op, err)
	}
	out, _, err := s3Call(ctx, s, req, func(b *s3Bucket) (*s3.UploadPartOutput, error) {
		u, err := b.upload(req.Key, in.UploadId)
		if err != nil {
			return nil, err
		}
		n := aws.ToInt32(in.PartNumber)
		if n < 1 || n > 10000 {
			return nil, S3Error(400, "InvalidArgument", "Part number must be an integer between 1 and 10000, inclusive")
		}
		u.parts[n] = data
		return &s3.UploadPartOutput{ETag: aws.String(s3Tag(data))}, nil
	})
	return out, err
}

// AbortMultipartUpload forgets an upload.
func (s *S3) AbortMultipartUpload(ctx context.Context, in *s3.AbortMultipartUploadInput, _ ...func(*s3.Options)) (*s3.AbortMultipartUploadOutput, error) {
	req := S3Request{
		Op: "AbortMultipartUpload", Bucket: aws.ToString(in.Bucket), Key: aws.ToString(in.Key),
		RequestPayer: string(in.RequestPayer), owner: aws.ToString(in.ExpectedBucketOwner),
	}
	out, _, err := s3Call(ctx, s, req, func(b *s3Bucket) (*s3.AbortMultipartUploadOutput, error) {
		if _, err := b.upload(req.Key, in.UploadId); err != nil {
			return nil, err
		}
		delete(b.uploads, *in.UploadId)
		return &s3.AbortMultipartUploadOutput{}, nil
	})
	return out, err
}

// CompleteMultipartUpload makes the object of the parts that are named, under
// the same conditions as PutObject. The upload stays where they do not hold.
func (s *S3) CompleteMultipartUpload(ctx context.Context, in *s3.CompleteMultipartUploadInput, _ ...func(*s3.Options)) (*s3.CompleteMultipartUploadOutput, error) {
	req := S3Request{
		Op: "CompleteMultipartUpload", Bucket: aws.ToString(in.Bucket), Key: aws.ToString(in.Key),
		IfMatch: aws.ToString(in.IfMatch), IfNoneMatch: aws.ToString(in.IfNoneMatch),
		RequestPayer: string(in.RequestPayer), owner: aws.ToString(in.ExpectedBucketOwner),
	}
	out, _, err := s3Call(ctx, s, req, func(b *s3Bucket) (*s3.CompleteMultipartUploadOutput, error) {
		u, err := b.upload(req.Key, in.UploadId)
		if err != nil {
			return nil, err
		}
		var named []types.CompletedPart
		if in.MultipartUpload != nil {
			named = in.MultipartUpload.Parts
		}
		v := u.draft
		if v.data, v.etag, err = u.join(named, s.opts.MinPartSize); err != nil {
			return nil, err
		}
		if err := s.store(b, req, &v); err != nil {
			return nil, err
		}
		delete(b.uploads, *in.UploadId)
		return &s3.CompleteMultipartUploadOutput{Bucket: in.Bucket, Key: in.Key, ETag: &v.etag, VersionId: b.shownID(&v)}, nil
	})
	return out, err
}

// join puts the named parts together; the tag is the hash of the hashes of the
// parts, and their number.
func (u *s3Upload) join(named []types.CompletedPart, least int64) (data []byte, etag string, err error) {
	if len(named) == 0 {
		return nil, "", S3Error(400, "MalformedXML", "The XML you provided was not well-formed or did not validate against our published schema")
	}
	if !slices.IsSortedFunc(named, func(a, b types.CompletedPart) int {
		return cmp.Or(cmp.Compare(aws.ToInt32(a.PartNumber), aws.ToInt32(b.PartNumber)), -1) // equal ones are out of order
	}) {
		return nil, "", S3Error(400, "InvalidPartOrder", "The list of parts was not in ascending order.")
	}
	var sums []byte
	for i, p := range named {
		part, ok := u.parts[aws.ToInt32(p.PartNumber)]
		switch {
		case !ok || !s3SameTag(aws.ToString(p.ETag), s3Tag(part)):
			return nil, "", S3Error(400, "InvalidPart", "One or more of the specified parts could not be found.")
		case i < len(named)-1 && int64(len(part)) < least:
			return nil, "", S3Error(400, "EntityTooSmall", "Your proposed upload is smaller than the minimum allowed size")
		}
		sum := md5.Sum(part) //nolint:gosec // see above
		sums = append(sums, sum[:]...)
		data = append(data, part...)
	}
	sum := md5.Sum(sums) //nolint:gosec // see above
	return data, fmt.Sprintf(`"%s-%d"`, hex.EncodeToString(sum[:]), len(named)), nil
}
