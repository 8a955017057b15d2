package s3source

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/tidemark-data/etl"
)

// DisposeClient is what [Source.Dispose] needs besides [Client].
type DisposeClient interface {
	Client
	CopyObject(context.Context, *s3.CopyObjectInput, ...func(*s3.Options)) (*s3.CopyObjectOutput, error)
	DeleteObject(context.Context, *s3.DeleteObjectInput, ...func(*s3.Options)) (*s3.DeleteObjectOutput, error)
	GetObjectTagging(context.Context, *s3.GetObjectTaggingInput, ...func(*s3.Options)) (*s3.GetObjectTaggingOutput, error)
	PutObjectTagging(context.Context, *s3.PutObjectTaggingInput, ...func(*s3.Options)) (*s3.PutObjectTaggingOutput, error)
}

var (
	_ etl.Disposer  = (*Source)(nil)
	_ DisposeClient = (*s3.Client)(nil)
)

// Effect is what becomes of an object when its file is through. The zero value
// leaves it alone.
type Effect struct {
	// Tags are set on the object; others that it has stay.
	Tags map[string]string
	// MoveTo is a folder of the same bucket. The object is copied to
	// MoveTo + file ID + "/" + location, so that contents of one location do
	// not overwrite each other, and deleted. Objects of more than 5 GiB cannot
	// be copied at once, and are refused.
	MoveTo string
	// Delete deletes the object. With versioning it puts a delete marker on
	// top; versions are never deleted.
	Delete bool
}

func (e Effect) none() bool { return len(e.Tags) == 0 && e.MoveTo == "" && !e.Delete }

func (e Effect) folder() string {
	if e.MoveTo == "" || strings.HasSuffix(e.MoveTo, "/") {
		return e.MoveTo
	}
	return e.MoveTo + "/"
}

// owns reports whether a key is where the effect moves objects to.
func (e Effect) owns(key string) bool {
	return e.MoveTo != "" && strings.HasPrefix(key, e.folder())
}

func (e Effect) validate(name string) error {
	switch {
	case e.Delete && e.MoveTo != "":
		return fmt.Errorf("%s files are either moved or deleted", name)
	case len(e.Tags) > maxTags:
		return fmt.Errorf("%s files get more than %d tags", name, maxTags)
	}
	return nil
}

const (
	maxTags = 10      // "Categorizing your objects using tags"
	maxCopy = 5 << 30 // bytes, API reference of CopyObject
)

// Disposes reports whether the options say anything for a status.
func (s *Source) Disposes(status etl.FileStatus) bool { return !s.effect(status).none() }

func (s *Source) effect(status etl.FileStatus) Effect {
	switch status {
	case etl.Applied:
		return s.opts.OnApplied
	case etl.Failed, etl.Skipped:
		return s.opts.OnFailed
	}
	return Effect{}
}

// Dispose does to the object of a file what the options say for its status:
// OnApplied for [etl.Applied], OnFailed for [etl.Failed] and [etl.Skipped]. It
// may be called again, after an error too. An object that is gone, or has other
// content by now, is left alone, which is no error.
//
// A failed file that is moved cannot be retried where it is: a Retry finds it
// vanished. Copying it back makes a new file of it in most buckets.
func (s *Source) Dispose(ctx context.Context, f etl.File, status etl.FileStatus) error {
	effect := s.effect(status)
	client, ok := s.client.(DisposeClient)
	key, valid := s.key(f.Location)
	if !ok || !valid || effect.none() {
		return nil
	}
	err := s.again(ctx, func() error { return s.dispose(ctx, client, key, f, effect) })
	if errors.Is(err, etl.ErrFileVanished) || errors.Is(err, etl.ErrFileChanged) {
		return nil
	}
	if err != nil {
		return inFile(f.Location, err)
	}
	return nil
}

func (s *Source) dispose(ctx context.Context, client DisposeClient, key string, f etl.File, effect Effect) error {
	now, err := s.head(ctx, key, "")
	if err != nil {
		return err
	}
	version := aws.ToString(now.VersionId)
	if f.VersionID != "" && f.VersionID != version || f.ETag != "" && `"`+f.ETag+`"` != aws.ToString(now.ETag) ||
		aws.ToInt64(now.ContentLength) != f.Size {
		return etl.ErrFileChanged
	}
	if len(effect.Tags) > 0 {
		if err := s.tag(ctx, client, key, version, effect.Tags); err != nil {
			return err
		}
	}
	if effect.MoveTo != "" {
		if err := s.copyTo(ctx, client, key, version, effect.folder()+f.Object().ID()+"/"+f.Location, now); err != nil {
			return err
		}
	}
	if effect.MoveTo == "" && !effect.Delete {
		return nil
	}
	_, err = client.DeleteObject(ctx, &s3.DeleteObjectInput{
		Bucket: &s.opts.Bucket, Key: &key, IfMatch: now.ETag, RequestPayer: s.payer(), ExpectedBucketOwner: s.owner(),
	})
	return s.explained(ctx, "DeleteObject", key, err)
}

func (s *Source) explained(ctx context.Context, op, key string, err error) error {
	if err == nil {
		return nil
	}
	return s.explain(ctx, op, key, err)
}

func (s *Source) tag(ctx context.Context, client DisposeClient, key, version string, tags map[string]string) error {
	out, err := client.GetObjectTagging(ctx, &s3.GetObjectTaggingInput{
		Bucket: &s.opts.Bucket, Key: &key, VersionId: optional(version), RequestPayer: s.payer(), ExpectedBucketOwner: s.owner(),
	})
	if err != nil {
		return s.explain(ctx, "GetObjectTagging", key, err)
	}
	merged := map[string]string{}
	for _, t := range out.TagSet {
		merged[aws.ToString(t.Key)] = aws.ToString(t.Value)
	}
	had := maps.Clone(merged)
	maps.Copy(merged, tags)
	switch {
	case maps.Equal(had, merged):
		return nil
	case len(merged) > maxTags:
		return etl.WithOutcome(etl.Terminal, fmt.Errorf("s3 PutObjectTagging %s: more than %d tags", s.where(key), maxTags))
	}
	set := &types.Tagging{}
	for k, v := range merged {
		set.TagSet = append(set.TagSet, types.Tag{Key: aws.String(k), Value: aws.String(v)})
	}
	_, err = client.PutObjectTagging(ctx, &s3.PutObjectTaggingInput{
		Bucket: &s.opts.Bucket, Key: &key, VersionId: optional(version), Tagging: set,
		RequestPayer: s.payer(), ExpectedBucketOwner: s.owner(),
	})
	return s.explained(ctx, "PutObjectTagging", key, err)
}

func (s *Source) copyTo(ctx context.Context, client DisposeClient, key, version, to string, now *s3.HeadObjectOutput) error {
	if len(to) > maxKey || aws.ToInt64(now.ContentLength) > maxCopy {
		return etl.WithOutcome(etl.Terminal, fmt.Errorf("s3 CopyObject %s: the new key is longer than %d bytes, or the object larger than 5 GiB", s.where(key), maxKey))
	}
	from := copySource(s.opts.Bucket, key)
	if version != "" {
		from += "?versionId=" + url.QueryEscape(version)
	}
	_, err := client.CopyObject(ctx, &s3.CopyObjectInput{
		Bucket: &s.opts.Bucket, Key: &to, CopySource: &from, CopySourceIfMatch: now.ETag,
		RequestPayer: s.payer(), ExpectedBucketOwner: s.owner(), ExpectedSourceBucketOwner: s.owner(),
	})
	return s.explained(ctx, "CopyObject", key, err)
}

// copySource is bucket and key as a header has them: percent-encoded, "+" too.
func copySource(bucket, key string) string {
	parts := strings.Split(key, "/")
	for i := range parts {
		parts[i] = strings.ReplaceAll(url.PathEscape(parts[i]), "+", "%2B")
	}
	return bucket + "/" + strings.Join(parts, "/")
}
