package s3source_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/stretchr/testify/require"

	"github.com/tidemark-data/etl"
	"github.com/tidemark-data/etl/etltest/awstest"
	"github.com/tidemark-data/etl/source/s3source"
)

func put(t testing.TB, fake *awstest.S3, key string, content []byte) {
	t.Helper()
	require.NoError(t, putObject(t.Context(), fake, key, content))
}

func locations(t testing.TB, s *s3source.Source, after string) []string {
	t.Helper()
	var l []string
	for f, err := range s.ListAfter(t.Context(), after) {
		require.NoError(t, err)
		l = append(l, f.Location)
	}
	return l
}

func TestListLeavesOutWhatIsNoFile(t *testing.T) {
	fake := awstest.NewS3(awstest.S3Options{}, bucket)
	for _, key := range []string{"in/", "in/t/", "in/t_$folder$", "other/x", "inx", "in/t/done/old.csv", "in/_tmp"} {
		put(t, fake, key, nil)
	}
	for _, key := range []string{"in/t/a.csv", "in/content/", "in/t/empty-not"} {
		put(t, fake, key, []byte("x"))
	}
	put(t, fake, "in/t/empty.csv", nil)
	s := newSource(t, fake, s3source.Options{
		Prefix: "in", OnApplied: s3source.Effect{MoveTo: "in/t/done"},
		Ignore: func(location string) bool { return strings.HasPrefix(location, "_") },
	})
	require.Equal(t, []string{"content/", "t/a.csv", "t/empty-not", "t/empty.csv"}, locations(t, s, ""))

	for _, location := range []string{"t/", "t_$folder$", "_tmp"} {
		_, err := s.Find(t.Context(), location)
		require.ErrorIs(t, err, etl.ErrFileVanished, location)
	}
	location, ok := s.Location("in/t/a.csv")
	require.True(t, ok)
	require.Equal(t, "t/a.csv", location)
	for _, key := range []string{"inx", "in/", "in/t/done/x", "other/x"} {
		_, ok := s.Location(key)
		require.False(t, ok, key)
	}
}

func TestListPages(t *testing.T) {
	fake := awstest.NewS3(awstest.S3Options{PageSize: 7}, bucket)
	var want []string
	for i := range 50 {
		name := fmt.Sprintf("2024/02/%02d +%%é.csv", i)
		put(t, fake, "p/"+name, []byte("x"))
		want = append(want, name)
	}
	s := newSource(t, fake, s3source.Options{Prefix: "p/"})
	fake.ForgetRequests()
	require.Equal(t, want, locations(t, s, ""))
	require.Len(t, fake.Requests(), 8)
	fake.ForgetRequests()
	require.Equal(t, want[41:], locations(t, s, want[40]), "goes on behind a location")
	require.Equal(t, want[20:], locations(t, s, "2024/02/20"), "leaves out what lies before")
	require.Less(t, len(fake.Requests()), 8)
	require.Equal(t, "url", fake.Requests()[0].EncodingType)
}

func TestListIsRepeatedPageByPage(t *testing.T) {
	failures := 0
	fake := awstest.NewS3(awstest.S3Options{PageSize: 3, Hook: func(r awstest.S3Request) awstest.S3Fault {
		if r.Op == "ListObjectsV2" && r.N%2 == 0 {
			failures++
			return awstest.S3Fault{Err: awstest.S3SlowDown()}
		}
		return awstest.S3Fault{}
	}}, bucket)
	for i := range 11 {
		put(t, fake, fmt.Sprint("k", i), []byte("x"))
	}
	require.Len(t, locations(t, newSource(t, fake, s3source.Options{}), ""), 11)
	require.Positive(t, failures)
}

func TestFilesOfListingsAndOfNotificationsAreTheSame(t *testing.T) {
	for _, versions := range []bool{false, true} {
		at := time.Date(2024, 2, 20, 11, 8, 25, 0, time.UTC)
		fake := awstest.NewS3(awstest.S3Options{Now: func() time.Time { return at }}, bucket)
		fake.SetVersioning(bucket, true)
		s := newSource(t, fake, s3source.Options{Prefix: "in/", Versions: versions})
		put(t, fake, "in/a b+.csv", []byte("one"))
		put(t, fake, "in/gone", []byte("one"))
		_, err := fake.DeleteObject(t.Context(), &s3.DeleteObjectInput{Bucket: aws.String(bucket), Key: aws.String("in/gone")})
		require.NoError(t, err)
		var listed []etl.File
		for f, err := range s.List(t.Context()) {
			require.NoError(t, err)
			listed = append(listed, f)
		}
		found, err := s.Find(t.Context(), "a b+.csv")
		require.NoError(t, err)
		require.Equal(t, []etl.File{found}, listed)
		require.Equal(t, found.ID(), listed[0].ID())
		require.Equal(t, versions, found.VersionID != "")
		require.Equal(t, "f97c5d29941bfb1b2fdab0874906ab82", found.ETag, "without quotes")
		require.True(t, found.ModTime.Equal(at))

		put(t, fake, "in/a b+.csv", []byte("one"))
		again, err := s.Find(t.Context(), "a b+.csv")
		require.NoError(t, err)
		require.Equal(t, versions, again.ID() != found.ID(), "the same content again is another file only where versions count")
		_, err = s.Find(t.Context(), "gone")
		require.ErrorIs(t, err, etl.ErrFileVanished)
		_, err = s.Find(t.Context(), "")
		require.ErrorIs(t, err, etl.ErrFileVanished)
	}
}

func TestFindTellsAMissingBucketFromAMissingKey(t *testing.T) {
	s := newSource(t, awstest.NewS3(awstest.S3Options{}, "another"), s3source.Options{})
	_, err := s.Find(t.Context(), "x")
	require.NotErrorIs(t, err, etl.ErrFileVanished)
	require.Equal(t, etl.Terminal, etl.OutcomeOf(err))
	require.ErrorContains(t, err, "NoSuchBucket")
}

// canned answers listings from a list.
type canned struct {
	s3source.Client
	pages []*s3.ListObjectsV2Output
}

func (c *canned) ListObjectsV2(context.Context, *s3.ListObjectsV2Input, ...func(*s3.Options)) (*s3.ListObjectsV2Output, error) {
	page := c.pages[0]
	if len(c.pages) > 1 {
		c.pages = c.pages[1:]
	}
	return page, nil
}

func TestListOfAStrangeStore(t *testing.T) {
	object := func(key string) types.Object { return types.Object{Key: &key, Size: aws.Int64(1)} }
	list := func(opts s3source.Options, pages ...*s3.ListObjectsV2Output) (names []string, err error) {
		for f, lerr := range newSource(t, &canned{pages: pages}, opts).List(t.Context()) {
			if err = lerr; err == nil {
				names = append(names, f.Location)
			}
		}
		return names, err
	}
	endless := &s3.ListObjectsV2Output{Contents: []types.Object{object("a")}, IsTruncated: aws.Bool(true), NextContinuationToken: aws.String("t")}
	_, err := list(s3source.Options{}, endless)
	require.ErrorContains(t, err, "where the next one begins")

	names, err := list(s3source.Options{}, &s3.ListObjectsV2Output{Contents: []types.Object{object("a+b%20"), {}}})
	require.NoError(t, err)
	require.Equal(t, []string{"a+b%20"}, names, "not encoded if the answer does not say so; a key is needed")

	_, err = list(s3source.Options{}, &s3.ListObjectsV2Output{EncodingType: types.EncodingTypeUrl, Contents: []types.Object{object("%zz")}})
	require.Error(t, err)

	var problems []string
	names, err = list(s3source.Options{OnProblem: func(key string, err error) {
		require.ErrorIs(t, err, s3source.ErrKey)
		problems = append(problems, key)
	}}, &s3.ListObjectsV2Output{Contents: []types.Object{object("\xff"), object("good"), object(strings.Repeat("x", 1025))}})
	require.NoError(t, err)
	require.Equal(t, []string{"good"}, names)
	require.Len(t, problems, 2)
}

func TestOptionsAreChecked(t *testing.T) {
	fake := awstest.NewS3(awstest.S3Options{}, bucket)
	readOnly := struct{ s3source.Client }{fake}
	for want, opts := range map[string]s3source.Options{
		"bucket is missing": {},
		"part size":         {Bucket: bucket, PartSize: 1},
		"no calls":          {Bucket: bucket, OnApplied: s3source.Effect{Delete: true}},
		"never deleted":     {Bucket: bucket, OnFailed: s3source.Effect{Delete: true}},
		"either moved":      {Bucket: bucket, OnApplied: s3source.Effect{Delete: true, MoveTo: "x"}},
		"access point":      {Bucket: "arn:aws:s3:eu-west-1:111122223333:accesspoint/x", OnApplied: s3source.Effect{MoveTo: "x"}},
		"attempts":          {Bucket: bucket, Attempts: -1},
	} {
		_, err := s3source.New(readOnly, opts)
		require.ErrorContains(t, err, want)
	}
	_, err := s3source.New(nil, s3source.Options{Parts: -1, Memory: -1})
	for _, want := range []string{"client is nil", "bucket is missing", "parts", "memory"} {
		require.ErrorContains(t, err, want)
	}
}

func TestBucketOptions(t *testing.T) {
	fake := awstest.NewS3(awstest.S3Options{Owner: "111122223333"}, bucket)
	put(t, fake, "k", []byte("content"))
	fake.SetRequesterPays(bucket, true)
	open := func(opts s3source.Options) error {
		s := newSource(t, fake, opts)
		for f, err := range s.List(t.Context()) {
			if err != nil {
				return err
			}
			_, ferr := s.Find(t.Context(), "k")
			in, err := s.Open(t.Context(), f)
			if err == nil {
				err = in.Close()
			}
			return errors.Join(ferr, err)
		}
		return errors.New("not listed")
	}
	require.NoError(t, open(s3source.Options{RequesterPays: true, ExpectedOwner: "111122223333"}))
	for _, opts := range []s3source.Options{{}, {RequesterPays: true, ExpectedOwner: "444455556666"}} {
		err := open(opts)
		require.Equal(t, etl.Terminal, etl.OutcomeOf(err))
		require.ErrorContains(t, err, "s3:GetObject")
	}
	ops := []string{}
	for _, r := range fake.Requests() {
		ops = append(ops, r.Op)
	}
	require.True(t, slices.Contains(ops, "HeadObject") && slices.Contains(ops, "GetObject"))
}

// fineListing lists times of landing finer than the objects tell them.
type fineListing struct{ *awstest.S3 }

func (f fineListing) ListObjectsV2(ctx context.Context, in *s3.ListObjectsV2Input, o ...func(*s3.Options)) (*s3.ListObjectsV2Output, error) {
	out, err := f.S3.ListObjectsV2(ctx, in, o...)
	if err == nil {
		for i := range out.Contents {
			out.Contents[i].LastModified = aws.Time(out.Contents[i].LastModified.Add(300 * time.Millisecond))
		}
	}
	return out, err
}

// Whether a file is known by an event or by the listing, it landed at one time.
func TestOneTimeOfLanding(t *testing.T) {
	fake := awstest.NewS3(awstest.S3Options{Now: func() time.Time { return time.Unix(1_700_000_000, 0) }}, bucket)
	put(t, fake, "a", []byte("x"))
	s := newSource(t, fineListing{fake}, s3source.Options{})
	found, err := s.Find(t.Context(), "a")
	require.NoError(t, err)
	for listed, err := range s.List(t.Context()) {
		require.NoError(t, err)
		require.Equal(t, found, listed)
	}
}
