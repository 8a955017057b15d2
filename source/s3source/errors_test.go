package s3source_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tidemark-data/etl"
	"github.com/tidemark-data/etl/etltest/awstest"
	"github.com/tidemark-data/etl/source/s3source"
)

func TestErrorsAreClassified(t *testing.T) {
	for name, c := range map[string]struct {
		err     error
		outcome etl.Outcome
		is      error
		says    string
	}{
		"slow down":       {err: awstest.S3SlowDown(), outcome: etl.Retry},
		"internal":        {err: awstest.S3Error(500, "InternalError", ""), outcome: etl.Retry},
		"unavailable":     {err: awstest.S3Error(503, "ServiceUnavailable", ""), outcome: etl.Retry},
		"request timeout": {err: awstest.S3Error(400, "RequestTimeout", ""), outcome: etl.Retry},
		"kms throttled":   {err: awstest.S3Error(400, "KMS.ThrottlingException", ""), outcome: etl.Retry},
		"expired token":   {err: awstest.S3Error(400, "ExpiredToken", ""), outcome: etl.Retry},
		"conflict":        {err: awstest.S3Error(409, "OperationAborted", ""), outcome: etl.Retry},
		"reset":           {err: awstest.ErrReset, outcome: etl.Retry, says: "connection reset by peer"},
		"no name":         {err: &net.DNSError{Name: "x", IsNotFound: true}, outcome: etl.Retry, says: "could not be resolved"},
		"denied":          {err: awstest.S3Error(403, "AccessDenied", "Access Denied"), outcome: etl.Terminal, says: "s3:ListBucket"},
		"kms denied": {
			err:     awstest.S3Error(403, "AccessDenied", "User is not authorized to perform: kms:Decrypt on the resource"),
			outcome: etl.Terminal, says: "needs kms:Decrypt",
		},
		"kms disabled": {err: awstest.S3Error(400, "KMS.DisabledException", ""), outcome: etl.Terminal, says: "must be enabled"},
		"no bucket":    {err: awstest.S3Error(404, "NoSuchBucket", ""), outcome: etl.Terminal, says: "no such bucket"},
		"region":       {err: awstest.S3Error(301, "PermanentRedirect", ""), outcome: etl.Terminal, says: "another region"},
		"credentials":  {err: awstest.S3Error(403, "SignatureDoesNotMatch", ""), outcome: etl.Terminal, says: "credentials"},
		"archived":     {err: awstest.S3Error(403, "InvalidObjectState", ""), outcome: etl.Terminal, says: "restore it"},
		"SSE-C":        {err: awstest.S3Error(400, "InvalidRequest", "stored using a form of Server Side Encryption"), outcome: etl.Terminal, says: "SSE-C"},
		"vanished":     {err: awstest.S3Error(404, "NoSuchKey", ""), outcome: etl.Terminal, is: etl.ErrFileVanished},
		"marker":       {err: awstest.S3Error(405, "MethodNotAllowed", ""), outcome: etl.Terminal, is: etl.ErrFileVanished},
		"changed":      {err: awstest.S3Error(412, "PreconditionFailed", ""), outcome: etl.Terminal, is: etl.ErrFileChanged},
		"shorter":      {err: awstest.S3Error(416, "InvalidRange", ""), outcome: etl.Terminal, is: etl.ErrFileChanged},
	} {
		t.Run(name, func(t *testing.T) {
			fake, s, f := landed(t, onGet(func(int, awstest.S3Request) awstest.S3Fault { return awstest.S3Fault{Err: c.err} }),
				[]byte("content"), s3source.Options{Attempts: 2})
			_, err := s.Open(t.Context(), f)
			require.Equal(t, c.outcome, etl.OutcomeOf(err))
			require.ErrorContains(t, err, "s3://raw/k")
			require.ErrorContains(t, err, c.says)
			require.Equal(t, "k", etl.Diagnose(err, "").File)
			for _, sentinel := range []error{etl.ErrFileVanished, etl.ErrFileChanged} {
				require.Equal(t, errors.Is(c.is, sentinel), errors.Is(err, sentinel))
			}
			attempts := 1
			if c.outcome == etl.Retry {
				attempts = 2
			}
			require.Len(t, fake.Requests(), attempts)
		})
	}
}

func TestErrorsHoldNoURLsAndNoForgedLines(t *testing.T) {
	secret := &url.Error{Op: "Get", URL: "https://raw.s3.amazonaws.com/k?X-Amz-Signature=secret&X-Amz-Credential=secret", Err: errors.New("EOF secret")}
	for _, cause := range []error{secret, awstest.S3Error(400, "Strange\ncode", "token secret"), fmt.Errorf("wrapped: %w", secret)} {
		fake := awstest.NewS3(awstest.S3Options{Hook: func(r awstest.S3Request) awstest.S3Fault {
			if r.Op == "PutObject" {
				return awstest.S3Fault{}
			}
			return awstest.S3Fault{Err: cause}
		}}, bucket)
		s := newSource(t, fake, s3source.Options{Attempts: 1})
		key := "new\nline"
		_, oerr := s.Open(t.Context(), etl.File{Location: key, ETag: "x"})
		_, ferr := s.Find(t.Context(), key)
		var lerr error
		for _, err := range s.List(t.Context()) {
			lerr = err
		}
		for _, err := range []error{oerr, ferr, lerr} {
			require.Error(t, err)
			require.NotContains(t, err.Error(), "secret")
			require.NotContains(t, err.Error(), "X-Amz")
			require.NotContains(t, err.Error(), "\n")
			require.ErrorIs(t, err, cause, "it is in the chain for those who look")
		}
	}
}

func TestDeadlinesAreNoErrorsOfTheFile(t *testing.T) {
	_, s, f := landed(t, onGet(func(int, awstest.S3Request) awstest.S3Fault { return awstest.S3Fault{Err: awstest.ErrReset} }),
		nil, s3source.Options{Attempts: 1000})
	ctx, cancel := context.WithTimeout(t.Context(), 20e6)
	defer cancel()
	_, err := s.Open(ctx, f)
	require.ErrorIs(t, err, context.DeadlineExceeded)
}
