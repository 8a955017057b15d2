package awstest

import (
	"context"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
)

// GetObjectTagging returns the tags of an object, sorted by key.
func (s *S3) GetObjectTagging(ctx context.Context, in *s3.GetObjectTaggingInput, _ ...func(*s3.Options)) (*s3.GetObjectTaggingOutput, error) {
	req := S3Request{
		Op: "GetObjectTagging", Bucket: aws.ToString(in.Bucket), Key: aws.ToString(in.Key), VersionID: aws.ToString(in.VersionId),
		RequestPayer: string(in.RequestPayer), owner: aws.ToString(in.ExpectedBucketOwner),
	}
	out, _, err := s3Call(ctx, s, req, func(b *s3Bucket) (*s3.GetObjectTaggingOutput, error) {
		v, err := b.find(req)
		if err != nil {
			return nil, err
		}
		out := &s3.GetObjectTaggingOutput{VersionId: b.shownID(v), TagSet: []types.Tag{}}
		for key, value := range v.tags {
			out.TagSet = append(out.TagSet, types.Tag{Key: aws.String(key), Value: aws.String(value)})
		}
		slices.SortFunc(out.TagSet, func(a, b types.Tag) int { return strings.Compare(*a.Key, *b.Key) })
		return out, nil
	})
	return out, err
}

// PutObjectTagging replaces the tags of an object.
func (s *S3) PutObjectTagging(ctx context.Context, in *s3.PutObjectTaggingInput, _ ...func(*s3.Options)) (*s3.PutObjectTaggingOutput, error) {
	req := S3Request{
		Op: "PutObjectTagging", Bucket: aws.ToString(in.Bucket), Key: aws.ToString(in.Key), VersionID: aws.ToString(in.VersionId),
		RequestPayer: string(in.RequestPayer), owner: aws.ToString(in.ExpectedBucketOwner),
	}
	out, _, err := s3Call(ctx, s, req, func(b *s3Bucket) (*s3.PutObjectTaggingOutput, error) {
		v, err := b.find(req)
		if err != nil {
			return nil, err
		}
		tags := map[string]string{}
		if in.Tagging != nil {
			for _, t := range in.Tagging.TagSet {
				tags[aws.ToString(t.Key)] = aws.ToString(t.Value)
			}
		}
		if len(tags) > 10 {
			return nil, S3Error(400, "BadRequest", "Object tags cannot be greater than 10")
		}
		v.tags = tags
		return &s3.PutObjectTaggingOutput{VersionId: b.shownID(v)}, nil
	})
	return out, err
}
