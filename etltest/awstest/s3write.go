package awstest

import (
	"context"
	"crypto/md5" //nolint:gosec // entity tags are MD5
	"crypto/sha256"
	"encoding/hex"
	"io"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
)

// maxCopy is the greatest object that one CopyObject takes: 5 GiB.
const maxCopy = 5 << 30

// PutObject stores an object.
func (s *S3) PutObject(ctx context.Context, in *s3.PutObjectInput, _ ...func(*s3.Options)) (*s3.PutObjectOutput, error) {
	req := S3Request{
		Op: "PutObject", Bucket: aws.ToString(in.Bucket), Key: aws.ToString(in.Key),
		IfMatch: aws.ToString(in.IfMatch), IfNoneMatch: aws.ToString(in.IfNoneMatch),
		RequestPayer: string(in.RequestPayer), owner: aws.ToString(in.ExpectedBucketOwner), uploadTag: aws.ToString(in.Tagging),
	}
	data, err := s3ReadBody(in.Body)
	if err != nil {
		return nil, s3Failed(req.Op, err)
	}
	out, _, err := s3Call(ctx, s, req, func(b *s3Bucket) (*s3.PutObjectOutput, error) {
		tags, err := s3ParseTags(req.uploadTag)
		if err != nil {
			return nil, err
		}
		v := &s3Version{data: data, etag: s3Tag(data), contentType: in.ContentType, metadata: in.Metadata, tags: tags}
		if err := s.store(b, req, v); err != nil {
			return nil, err
		}
		return &s3.PutObjectOutput{ETag: &v.etag, VersionId: b.shownID(v), Size: aws.Int64(int64(len(data)))}, nil
	})
	return out, err
}

func s3ReadBody(r io.Reader) ([]byte, error) {
	if r == nil {
		return nil, nil
	}
	return io.ReadAll(r)
}

func s3Tag(data []byte) string {
	sum := md5.Sum(data) //nolint:gosec // see above
	return `"` + hex.EncodeToString(sum[:]) + `"`
}

// store puts a version on top if the conditions of the request hold ("How to
// prevent object overwrites with conditional writes").
func (s *S3) store(b *s3Bucket, req S3Request, v *s3Version) error {
	if req.Key == "" {
		return S3Error(400, "InvalidArgument", "Object key must not be empty")
	}
	if err := b.writable(req); err != nil {
		return err
	}
	v.modTime = s.opts.Now().UTC().Truncate(time.Second)
	b.add(req.Key, v, s.newID())
	return nil
}

func (b *s3Bucket) writable(req S3Request) error {
	now := b.live(req.Key)
	switch {
	case req.IfNoneMatch != "" && req.IfNoneMatch != "*" || req.IfMatch == "*":
		return S3Error(501, "NotImplemented", "A header you provided implies functionality that is not implemented")
	case req.IfNoneMatch == "*" && now != nil:
		return s3Precondition(req.Op)
	case req.IfMatch != "" && now == nil:
		return s3NoSuchKey(req.Op)
	case req.IfMatch != "" && !s3SameTag(req.IfMatch, now.etag):
		return s3Precondition(req.Op)
	}
	return nil
}

// newID makes IDs that say nothing about their order.
func (s *S3) newID() string {
	s.serial++
	sum := sha256.Sum256([]byte(strconv.Itoa(s.serial)))
	return hex.EncodeToString(sum[:16])
}

// CopyObject copies an object within the service.
func (s *S3) CopyObject(ctx context.Context, in *s3.CopyObjectInput, _ ...func(*s3.Options)) (*s3.CopyObjectOutput, error) {
	req := S3Request{
		Op: "CopyObject", Bucket: aws.ToString(in.Bucket), Key: aws.ToString(in.Key),
		IfMatch: aws.ToString(in.IfMatch), IfNoneMatch: aws.ToString(in.IfNoneMatch),
		RequestPayer: string(in.RequestPayer), owner: aws.ToString(in.ExpectedBucketOwner), copyFrom: aws.ToString(in.CopySource),
	}
	out, _, err := s3Call(ctx, s, req, func(b *s3Bucket) (*s3.CopyObjectOutput, error) {
		from, v, err := s.copySource(req.copyFrom, aws.ToString(in.CopySourceIfMatch))
		if err != nil {
			return nil, err
		}
		dup := &s3Version{data: v.data, etag: s3Tag(v.data), contentType: v.contentType, metadata: v.metadata, tags: v.tags}
		if in.MetadataDirective == types.MetadataDirectiveReplace {
			dup.metadata, dup.contentType = in.Metadata, in.ContentType
		}
		if in.TaggingDirective == types.TaggingDirectiveReplace {
			if dup.tags, err = s3ParseTags(aws.ToString(in.Tagging)); err != nil {
				return nil, err
			}
		}
		if err := s.store(b, req, dup); err != nil {
			return nil, err
		}
		return &s3.CopyObjectOutput{
			CopyObjectResult: &types.CopyObjectResult{ETag: &dup.etag, LastModified: aws.Time(dup.modTime)},
			VersionId:        b.shownID(dup), CopySourceVersionId: from.shownID(v),
		}, nil
	})
	return out, err
}

// copySource reads the header x-amz-copy-source: bucket/key[?versionId=id], in
// which "+" is a space.
func (s *S3) copySource(header, ifMatch string) (*s3Bucket, *s3Version, error) {
	path, version, _ := strings.Cut(header, "?versionId=")
	path, err := url.QueryUnescape(strings.TrimPrefix(path, "/"))
	if err != nil {
		return nil, nil, S3Error(400, "InvalidArgument", "Invalid copy source encoding.")
	}
	bucket, key, _ := strings.Cut(path, "/")
	b := s.buckets[bucket]
	if b == nil {
		return nil, nil, s3NoSuchBucket("CopyObject")
	}
	v, err := b.read(S3Request{Op: "CopyObject", Key: key, VersionID: version, IfMatch: ifMatch})
	if err == nil && len(v.data) > maxCopy {
		err = S3Error(400, "InvalidRequest", "The specified copy source is larger than the maximum allowable size for a copy source: 5368709120")
	}
	return b, v, err
}

// DeleteObject deletes an object: in a bucket with versions it puts a delete
// marker on top, unless a version is named. Conditions look at the current
// version only ("How to perform conditional deletes").
func (s *S3) DeleteObject(ctx context.Context, in *s3.DeleteObjectInput, _ ...func(*s3.Options)) (*s3.DeleteObjectOutput, error) {
	req := S3Request{
		Op: "DeleteObject", Bucket: aws.ToString(in.Bucket), Key: aws.ToString(in.Key), VersionID: aws.ToString(in.VersionId),
		IfMatch: aws.ToString(in.IfMatch), RequestPayer: string(in.RequestPayer), owner: aws.ToString(in.ExpectedBucketOwner),
	}
	out, _, err := s3Call(ctx, s, req, func(b *s3Bucket) (*s3.DeleteObjectOutput, error) { return s.remove(b, req) })
	return out, err
}

func (s *S3) remove(b *s3Bucket, req S3Request) (*s3.DeleteObjectOutput, error) {
	now := b.live(req.Key)
	switch {
	case req.IfMatch != "" && req.IfMatch != "*" && now == nil:
		return nil, s3NoSuchKey(req.Op)
	case req.IfMatch != "" && (now == nil || req.IfMatch != "*" && !s3SameTag(req.IfMatch, now.etag)):
		return nil, s3Precondition(req.Op)
	}
	out := &s3.DeleteObjectOutput{}
	switch {
	case req.VersionID != "":
		if v := b.remove(req.Key, req.VersionID); v != nil && v.marker {
			out.DeleteMarker = aws.Bool(true)
		}
		out.VersionId = &req.VersionID
	case b.versioning == "":
		b.remove(req.Key, "null")
	default:
		v := &s3Version{marker: true, modTime: s.opts.Now().UTC().Truncate(time.Second)}
		b.add(req.Key, v, s.newID())
		out.DeleteMarker, out.VersionId = aws.Bool(true), &v.id
	}
	return out, nil
}

// DeleteObjects deletes up to 1,000 objects, each by itself.
func (s *S3) DeleteObjects(ctx context.Context, in *s3.DeleteObjectsInput, _ ...func(*s3.Options)) (*s3.DeleteObjectsOutput, error) {
	req := S3Request{Op: "DeleteObjects", Bucket: aws.ToString(in.Bucket), RequestPayer: string(in.RequestPayer), owner: aws.ToString(in.ExpectedBucketOwner)}
	out, _, err := s3Call(ctx, s, req, func(b *s3Bucket) (*s3.DeleteObjectsOutput, error) {
		if in.Delete == nil || len(in.Delete.Objects) == 0 || len(in.Delete.Objects) > 1000 {
			return nil, S3Error(400, "MalformedXML", "The XML you provided was not well-formed or did not validate against our published schema")
		}
		out := &s3.DeleteObjectsOutput{}
		for _, o := range in.Delete.Objects {
			one := S3Request{Op: "DeleteObject", Key: aws.ToString(o.Key), VersionID: aws.ToString(o.VersionId), IfMatch: aws.ToString(o.ETag)}
			done, err := s.remove(b, one)
			if err != nil {
				out.Errors = append(out.Errors, types.Error{Key: o.Key, VersionId: o.VersionId, Code: aws.String(S3ErrorCode(err)), Message: aws.String(S3ErrorCode(err))})
			} else if !aws.ToBool(in.Delete.Quiet) {
				out.Deleted = append(out.Deleted, types.DeletedObject{Key: o.Key, VersionId: o.VersionId, DeleteMarker: done.DeleteMarker})
			}
		}
		return out, nil
	})
	return out, err
}
