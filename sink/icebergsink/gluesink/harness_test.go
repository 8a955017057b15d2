package gluesink_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/johannesboyne/gofakes3"
	"github.com/johannesboyne/gofakes3/backend/s3mem"
	"github.com/stretchr/testify/require"

	"github.com/tidemark-data/etl/etltest/awstest"
	"github.com/tidemark-data/etl/sink/icebergsink/gluesink"
)

const bucket = "lake"

// cloud is a Glue catalog and an S3 on this machine.
type cloud struct {
	t        testing.TB
	glue     *awstest.Glue
	glueURL  string
	s3URL    string
	requests *requests
}

// requests counts what S3 is asked.
type requests struct {
	mu    sync.Mutex
	seen  []request
	fault func(request) bool // true answers 403
}

type request struct {
	method, key, query, rng, sse string
}

func (r *requests) handler(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		one := request{req.Method, strings.TrimPrefix(req.URL.Path, "/"+bucket+"/"), req.URL.RawQuery,
			req.Header.Get("Range"), req.Header.Get("X-Amz-Server-Side-Encryption")}
		r.mu.Lock()
		r.seen = append(r.seen, one)
		deny := r.fault != nil && r.fault(one)
		r.mu.Unlock()
		if deny {
			w.Header().Set("Content-Type", "application/xml")
			w.WriteHeader(http.StatusForbidden)
			_, _ = w.Write([]byte(`<?xml version="1.0"?><Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>`))
			return
		}
		next.ServeHTTP(w, req)
	})
}

// take returns what was asked since the last call.
func (r *requests) take() []request {
	r.mu.Lock()
	defer r.mu.Unlock()
	seen := r.seen
	r.seen = nil
	return seen
}

func (r *requests) deny(when func(request) bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.fault = when
}

func newCloud(t testing.TB) *cloud {
	c := &cloud{t: t, glue: awstest.NewGlue(), requests: &requests{}}
	back := s3mem.New()
	require.NoError(t, back.CreateBucket(bucket))
	require.NoError(t, back.CreateBucket("side"))
	s3 := httptest.NewServer(c.requests.handler(gofakes3.New(back).Server()))
	t.Cleanup(s3.Close)
	glue := httptest.NewServer(c.glue)
	glue.Config.ErrorLog = nil
	t.Cleanup(glue.Close)
	c.s3URL, c.glueURL = s3.URL, glue.URL
	return c
}

func (c *cloud) config() gluesink.Config {
	return gluesink.Config{
		AWS: aws.Config{
			Region: "eu-west-1", BaseEndpoint: aws.String(c.glueURL),
			Credentials: credentials.NewStaticCredentialsProvider("id", "secret", ""),
			Retryer: func() aws.Retryer {
				return retry.NewStandard(func(o *retry.StandardOptions) { o.MaxBackoff = 10 * time.Millisecond })
			},
		},
		Warehouse: "s3://" + bucket + "/warehouse", S3Endpoint: c.s3URL, PathStyle: true,
	}
}

func (c *cloud) open(change ...func(*gluesink.Config)) *gluesink.Sink {
	c.t.Helper()
	cfg := c.config()
	for _, f := range change {
		f(&cfg)
	}
	s, err := gluesink.Open(c.t.Context(), cfg)
	require.NoError(c.t, err)
	c.t.Cleanup(func() { require.NoError(c.t, s.Close()) })
	return s
}
