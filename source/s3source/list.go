package s3source

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"net/url"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"golang.org/x/sync/errgroup"

	"github.com/tidemark-data/etl"
)

// List implements [etl.Source]. Empty objects whose key ends in "/" or
// "_$folder$" are marks that tools set for folders, and left out.
func (s *Source) List(ctx context.Context) iter.Seq2[etl.File, error] {
	return s.ListAfter(ctx, "")
}

// ListAfter lists the files whose location comes behind after, compared as
// bytes: to go on with a listing that broke off, or to leave out folders of
// days that are done with. Files come in the order of their locations.
func (s *Source) ListAfter(ctx context.Context, after string) iter.Seq2[etl.File, error] {
	return func(yield func(etl.File, error) bool) {
		in := &s3.ListObjectsV2Input{
			Bucket: &s.opts.Bucket, Prefix: optional(s.opts.Prefix), EncodingType: types.EncodingTypeUrl,
			RequestPayer: s.payer(), ExpectedBucketOwner: s.owner(),
		}
		if after != "" {
			in.StartAfter = aws.String(s.opts.Prefix + after)
		}
		for {
			files, next, err := s.page(ctx, in)
			for _, f := range files {
				if err == nil {
					err = ctx.Err()
				}
				if err != nil {
					break
				}
				if !yield(f, nil) {
					return
				}
			}
			if err != nil {
				yield(etl.File{}, err)
				return
			}
			if next == nil {
				return
			}
			in.ContinuationToken = next
		}
	}
}

func (s *Source) page(ctx context.Context, in *s3.ListObjectsV2Input) ([]etl.File, *string, error) {
	var out *s3.ListObjectsV2Output
	err := s.again(ctx, func() (err error) {
		if out, err = s.client.ListObjectsV2(ctx, in); err != nil {
			err = s.explain(ctx, "ListObjectsV2", s.opts.Prefix, err)
		}
		return err
	})
	if err != nil {
		return nil, nil, err
	}
	var next *string
	if aws.ToBool(out.IsTruncated) {
		next = out.NextContinuationToken
		if aws.ToString(next) == "" || aws.ToString(next) == aws.ToString(in.ContinuationToken) {
			return nil, nil, fmt.Errorf("list %s: a page does not say where the next one begins", s.where(s.opts.Prefix))
		}
	}
	files, err := s.files(out)
	if err == nil && s.opts.Versions {
		files, err = s.versions(ctx, files)
	}
	return files, next, err
}

func (s *Source) files(out *s3.ListObjectsV2Output) ([]etl.File, error) {
	files := make([]etl.File, 0, len(out.Contents))
	for _, o := range out.Contents {
		key, err := decodeKey(aws.ToString(o.Key), out.EncodingType)
		if err != nil {
			return nil, fmt.Errorf("list %s: a key is not encoded as asked for", s.where(s.opts.Prefix))
		}
		location, ok := s.Location(key)
		size := aws.ToInt64(o.Size)
		switch {
		case !ok || s.leftOut(location, size):
			continue
		case !utf8.ValidString(key) || len(key) > maxKey:
			if s.opts.OnProblem != nil {
				s.opts.OnProblem(key, ErrKey)
			}
			continue
		}
		files = append(files, newFile(location, "", o.ETag, size, o.LastModified))
	}
	return files, nil
}

// leftOut reports whether listings leave an object out.
func (s *Source) leftOut(location string, size int64) bool {
	mark := strings.HasSuffix(location, "/") || strings.HasSuffix(location, "_$folder$")
	return size == 0 && mark || s.opts.Ignore != nil && s.opts.Ignore(location)
}

// decodeKey undoes EncodingType=url, in which a space is "+".
func decodeKey(key string, encoding types.EncodingType) (string, error) {
	if encoding != types.EncodingTypeUrl {
		return key, nil
	}
	return url.QueryUnescape(key)
}

// newFile drops what is finer than a second: other implementations of S3 have it
// in listings and not in the Last-Modified of an object, and files would be in
// another order by event than by listing.
func newFile(location, version string, etag *string, size int64, modified *time.Time) etl.File {
	return etl.File{
		Location: location, VersionID: version, Size: size,
		ETag:    strings.Trim(aws.ToString(etag), `"`),
		ModTime: aws.ToTime(modified).Truncate(time.Second),
	}
}

// versions asks for the versions of listed files, of which some may have
// vanished or changed in the meantime.
func (s *Source) versions(ctx context.Context, listed []etl.File) ([]etl.File, error) {
	found := make([]etl.File, len(listed))
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(16)
	for i := range listed {
		group.Go(func() error {
			f, err := s.Find(ctx, listed[i].Location)
			if err == nil {
				found[i] = f
			} else if errors.Is(err, etl.ErrFileVanished) {
				err = nil
			}
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	files := found[:0]
	for _, f := range found {
		if f.Location != "" {
			files = append(files, f)
		}
	}
	return files, nil
}

// Find returns the file that is at a location now, as a listing would: with the
// same identity. It returns an error that wraps [etl.ErrFileVanished] where
// there is none, or one that listings leave out.
func (s *Source) Find(ctx context.Context, location string) (etl.File, error) {
	key, ok := s.key(location)
	if !ok {
		return etl.File{}, noKey(location)
	}
	var f etl.File
	err := s.again(ctx, func() error {
		out, err := s.head(ctx, key, "")
		if err != nil {
			return err
		}
		if s.leftOut(location, aws.ToInt64(out.ContentLength)) {
			return fmt.Errorf("%w: listings leave it out", etl.ErrFileVanished)
		}
		f = newFile(location, "", out.ETag, aws.ToInt64(out.ContentLength), out.LastModified)
		if s.opts.Versions {
			f.VersionID = aws.ToString(out.VersionId)
		}
		return nil
	})
	if err != nil {
		return etl.File{}, inFile(location, err)
	}
	return f, nil
}

func (s *Source) head(ctx context.Context, key, version string) (*s3.HeadObjectOutput, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	out, err := s.client.HeadObject(ctx, &s3.HeadObjectInput{
		Bucket: &s.opts.Bucket, Key: &key, VersionId: optional(version),
		RequestPayer: s.payer(), ExpectedBucketOwner: s.owner(),
	})
	if err == nil {
		return out, nil
	}
	err = s.explain(ctx, "HeadObject", key, err)
	if errors.Is(err, etl.ErrFileVanished) && version == "" {
		// A HEAD has no body to tell a missing bucket from a missing key.
		_, lerr := s.client.ListObjectsV2(ctx, &s3.ListObjectsV2Input{
			Bucket: &s.opts.Bucket, Prefix: &key, MaxKeys: aws.Int32(1), RequestPayer: s.payer(), ExpectedBucketOwner: s.owner(),
			EncodingType: types.EncodingTypeUrl,
		})
		if code(lerr) == "NoSuchBucket" {
			err = s.explain(ctx, "ListObjectsV2", key, lerr)
		}
	}
	return nil, err
}
