//go:build integration

package integration

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/stretchr/testify/require"
)

// startS3 starts an S3 gateway over an empty folder.
func startS3(t testing.TB) (addr string) {
	t.Helper()
	return startServer(t, "versitygw", "--access", s3Access, "--secret", s3Secret, "--region", s3Region, "--keep-alive", "--quiet",
		"--port", "{addr}", "posix", "--versioning-dir", t.TempDir(), t.TempDir())
}

func s3Client(addr string) *s3.Client {
	return s3.New(s3.Options{
		BaseEndpoint: aws.String("http://" + addr), Region: s3Region, UsePathStyle: true,
		Credentials: credentials.NewStaticCredentialsProvider(s3Access, s3Secret, ""),
	})
}

func newBucket(t testing.TB, client *s3.Client, name string, versioning bool) *string {
	t.Helper()
	_, err := client.CreateBucket(t.Context(), &s3.CreateBucketInput{Bucket: &name})
	require.NoError(t, err)
	if versioning {
		_, err = client.PutBucketVersioning(t.Context(), &s3.PutBucketVersioningInput{
			Bucket: &name, VersioningConfiguration: &types.VersioningConfiguration{Status: types.BucketVersioningStatusEnabled},
		})
		require.NoError(t, err)
	}
	return &name
}

// putS3 lands an object. Names that a folder cannot have are refused, for the
// gateway keeps objects in one, and those that its listings spoil, for it does
// not know EncodingType. It does not look at the length of keys either.
func putS3(t testing.TB, client *s3.Client, bucket *string, key string, content []byte) error {
	if !fs.ValidPath(key) || key == "." || len(key) > 1024 || strings.Contains(key, "\x01") {
		return errors.New("not a path of a file in a folder")
	}
	_, err := client.PutObject(t.Context(), &s3.PutObjectInput{Bucket: bucket, Key: &key, Body: bytes.NewReader(content)})
	return err
}

// pathClient answers for keys that are no paths, which no object of the gateway
// has: S3 takes keys as they are, the gateway takes "./a" for "a".
type pathClient struct{ *s3.Client }

func (c pathClient) HeadObject(ctx context.Context, in *s3.HeadObjectInput, o ...func(*s3.Options)) (*s3.HeadObjectOutput, error) {
	if !fs.ValidPath(*in.Key) {
		return nil, &types.NotFound{}
	}
	return c.Client.HeadObject(ctx, in, o...)
}

func (c pathClient) GetObject(ctx context.Context, in *s3.GetObjectInput, o ...func(*s3.Options)) (*s3.GetObjectOutput, error) {
	if !fs.ValidPath(*in.Key) {
		return nil, &types.NoSuchKey{}
	}
	return c.Client.GetObject(ctx, in, o...)
}

// proxy is a proxy in front of a server, with toxics: see the documentation of
// toxiproxy.
type proxy struct {
	api, name, addr string
}

func startProxy(t testing.TB, upstream string) *proxy {
	t.Helper()
	p := &proxy{api: "http://" + startServer(t, "toxiproxy-server", "-host", "127.0.0.1", "-port", "{port}", "-seed", "1"), name: "s3"}
	var made struct{ Listen string }
	p.post(t, "/proxies", map[string]any{"name": p.name, "listen": "127.0.0.1:0", "upstream": upstream, "enabled": true}, &made)
	p.addr = made.Listen
	return p
}

// poison adds a toxic to that share of the connections, on their way to the client.
func (p *proxy) poison(t testing.TB, kind string, share float64, attributes map[string]any) {
	t.Helper()
	p.post(t, "/proxies/"+p.name+"/toxics", map[string]any{
		"name": fmt.Sprintf("%s-%v", kind, attributes), "type": kind, "stream": "downstream", "toxicity": share, "attributes": attributes,
	}, nil)
}

func (p *proxy) post(t testing.TB, path string, body, answer any) {
	t.Helper()
	data, err := json.Marshal(body)
	require.NoError(t, err)
	response, err := http.Post(p.api+path, "application/json", strings.NewReader(string(data)))
	require.NoError(t, err)
	defer response.Body.Close()
	require.Equal(t, 2, response.StatusCode/100, "%s: %s", path, response.Status)
	if answer != nil {
		require.NoError(t, json.NewDecoder(response.Body).Decode(answer))
	}
}
