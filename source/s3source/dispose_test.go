package s3source_test

import (
	"io"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/stretchr/testify/require"

	"github.com/tidemark-data/etl"
	"github.com/tidemark-data/etl/etltest/awstest"
	"github.com/tidemark-data/etl/source/s3source"
)

func content(t testing.TB, fake *awstest.S3, key string) string {
	t.Helper()
	out, err := fake.GetObject(t.Context(), &s3.GetObjectInput{Bucket: aws.String(bucket), Key: &key})
	if awstest.S3ErrorCode(err) == "NoSuchKey" {
		return "(nothing)"
	}
	require.NoError(t, err)
	data, err := io.ReadAll(out.Body)
	require.NoError(t, err)
	return string(data)
}

func tags(t testing.TB, fake *awstest.S3, key string) map[string]string {
	t.Helper()
	out, err := fake.GetObjectTagging(t.Context(), &s3.GetObjectTaggingInput{Bucket: aws.String(bucket), Key: &key})
	require.NoError(t, err)
	m := map[string]string{}
	for _, tag := range out.TagSet {
		m[*tag.Key] = *tag.Value
	}
	return m
}

const hostile = "t/a b+%2F?versionId=x#ü.csv"

// disposing lands one file and disposes it after what happens in between.
func disposing(t *testing.T, fake *awstest.S3, opts s3source.Options, status etl.FileStatus, between func()) (etl.File, error) {
	t.Helper()
	opts.Prefix = "in/"
	s := newSource(t, fake, opts)
	put(t, fake, "in/"+hostile, []byte("one"))
	f, err := s.Find(t.Context(), hostile)
	require.NoError(t, err)
	if between != nil {
		between()
	}
	err = s.Dispose(t.Context(), f, status)
	if err == nil {
		require.NoError(t, s.Dispose(t.Context(), f, status), "again")
	}
	return f, err
}

func TestDispose(t *testing.T) {
	move := s3source.Options{OnApplied: s3source.Effect{MoveTo: "done"}}
	remove := s3source.Options{OnApplied: s3source.Effect{Delete: true}}
	tag := s3source.Options{OnApplied: s3source.Effect{Tags: map[string]string{"state": "applied"}}, OnFailed: s3source.Effect{Tags: map[string]string{"state": "failed"}}}
	for _, versioning := range []bool{false, true} {
		newFake := func() *awstest.S3 {
			fake := awstest.NewS3(awstest.S3Options{}, bucket)
			fake.SetVersioning(bucket, versioning)
			return fake
		}
		for _, o := range []*s3source.Options{&move, &remove, &tag} {
			o.Versions = versioning
		}

		fake := newFake()
		f, err := disposing(t, fake, move, etl.Applied, nil)
		require.NoError(t, err)
		require.Equal(t, "(nothing)", content(t, fake, "in/"+hostile))
		require.Equal(t, "one", content(t, fake, "done/"+f.ID()+"/"+hostile))

		fake = newFake()
		_, err = disposing(t, fake, remove, etl.Applied, nil)
		require.NoError(t, err)
		require.Equal(t, "(nothing)", content(t, fake, "in/"+hostile))

		fake = newFake()
		_, err = disposing(t, fake, tag, etl.Failed, nil)
		require.NoError(t, err)
		require.Equal(t, map[string]string{"state": "failed"}, tags(t, fake, "in/"+hostile))

		for _, opts := range []s3source.Options{move, remove, tag} {
			fake = newFake()
			_, err = disposing(t, fake, opts, etl.Applied, func() { put(t, fake, "in/"+hostile, []byte("two")) })
			require.NoError(t, err)
			require.Equal(t, "two", content(t, fake, "in/"+hostile), "newer content is left alone")
			require.Empty(t, tags(t, fake, "in/"+hostile))

			fake = newFake()
			_, err = disposing(t, fake, opts, etl.Skipped, nil)
			require.NoError(t, err)
			require.Equal(t, "one", content(t, fake, "in/"+hostile), "nothing is said of other statuses")
		}
	}
}

func TestDisposeKeepsTags(t *testing.T) {
	fake := awstest.NewS3(awstest.S3Options{}, bucket)
	s := newSource(t, fake, s3source.Options{OnApplied: s3source.Effect{Tags: map[string]string{"state": "applied"}}})
	_, err := fake.PutObject(t.Context(), &s3.PutObjectInput{Bucket: aws.String(bucket), Key: aws.String("k"), Tagging: aws.String("owner=me&state=new")})
	require.NoError(t, err)
	f, err := s.Find(t.Context(), "k")
	require.NoError(t, err)
	require.NoError(t, s.Dispose(t.Context(), f, etl.Applied))
	require.Equal(t, map[string]string{"owner": "me", "state": "applied"}, tags(t, fake, "k"))
}

// TestDisposeSurvivesFaults lets each request fail before and after its effect.
func TestDisposeSurvivesFaults(t *testing.T) {
	for _, op := range []string{"HeadObject", "CopyObject", "DeleteObject", "GetObjectTagging", "PutObjectTagging"} {
		for _, fault := range []awstest.S3Fault{{Err: awstest.S3SlowDown()}, {Err: awstest.ErrReset}, {LostAnswer: true}} {
			hits := 0
			fake := awstest.NewS3(awstest.S3Options{Hook: func(r awstest.S3Request) awstest.S3Fault {
				if r.Op != op || hits > 0 {
					return awstest.S3Fault{}
				}
				hits++
				return fault
			}}, bucket)
			f, err := disposing(t, fake, s3source.Options{OnApplied: s3source.Effect{MoveTo: "done", Tags: map[string]string{"a": "b"}}}, etl.Applied, nil)
			require.NoError(t, err, op)
			require.Equal(t, 1, hits)
			require.Equal(t, "(nothing)", content(t, fake, "in/"+hostile))
			require.Equal(t, "one", content(t, fake, "done/"+f.ID()+"/"+hostile))
			require.Equal(t, map[string]string{"a": "b"}, tags(t, fake, "done/"+f.ID()+"/"+hostile))
		}
	}
}

// TestDisposeNeverDeletesWhatItDidNotCopy replaces the object between the calls.
func TestDisposeNeverDeletesWhatItDidNotCopy(t *testing.T) {
	for _, at := range []string{"CopyObject", "DeleteObject"} {
		var fake *awstest.S3
		done := false
		fake = awstest.NewS3(awstest.S3Options{Hook: func(r awstest.S3Request) awstest.S3Fault {
			if r.Op == at && !done {
				done = true
				put(t, fake, "in/"+hostile, []byte("two"))
			}
			return awstest.S3Fault{}
		}}, bucket)
		f, err := disposing(t, fake, s3source.Options{OnApplied: s3source.Effect{MoveTo: "done"}}, etl.Applied, nil)
		require.NoError(t, err)
		require.True(t, done)
		require.NotEqual(t, "two", content(t, fake, "done/"+f.ID()+"/"+hostile), "nor copies what it does not mean")
		require.Equal(t, "two", content(t, fake, "in/"+hostile))
	}
}

func TestDisposeRefusesWhatCannotBe(t *testing.T) {
	long := s3source.Options{OnApplied: s3source.Effect{MoveTo: strings.Repeat("d", 1000)}}
	fake := awstest.NewS3(awstest.S3Options{}, bucket)
	_, err := disposing(t, fake, long, etl.Applied, nil)
	require.Equal(t, etl.Terminal, etl.OutcomeOf(err))
	require.Equal(t, "one", content(t, fake, "in/"+hostile))

	fake = awstest.NewS3(awstest.S3Options{Hook: func(r awstest.S3Request) awstest.S3Fault {
		if r.Op == "DeleteObject" {
			return awstest.S3Fault{Err: awstest.S3Error(403, "AccessDenied", "")}
		}
		return awstest.S3Fault{}
	}}, bucket)
	_, err = disposing(t, fake, s3source.Options{OnApplied: s3source.Effect{Delete: true}}, etl.Applied, nil)
	require.Equal(t, etl.Terminal, etl.OutcomeOf(err))
	require.ErrorContains(t, err, "AccessDenied")
}
