package s3source

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/tidemark-data/etl"
)

// URI implements [etl.Locator]: "s3://bucket/key", with the key as it is. It makes
// no request; the engine finds out by version ID or ETag whether the object still
// is the one that was registered. Access points have no such URI.
func (s *Source) URI(_ context.Context, f etl.File) (string, error) {
	if strings.HasPrefix(s.opts.Bucket, "arn:") {
		return "", etl.WithOutcome(etl.Terminal, errors.New("s3 source: other engines cannot read through an access point"))
	}
	key, ok := s.key(f.Location)
	if !ok {
		return "", &etl.FileError{File: f.Location, Err: fmt.Errorf("%w: not a key", etl.ErrFileVanished)}
	}
	return "s3://" + s.opts.Bucket + "/" + key, nil
}
