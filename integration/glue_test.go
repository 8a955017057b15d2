//go:build integration

package integration

import (
	"net/http"
	"path"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/stretchr/testify/require"

	"github.com/tidemark-data/etl/etltest"
	"github.com/tidemark-data/etl/sink/icebergsink/gluesink"
)

// The catalog is moto's. It takes updates of tables under any VersionId, so of
// two writers that race both win: those tests are judged by awstest.Glue alone.
func TestGlueConformance(t *testing.T) {
	s3 := startS3(t)
	newBucket(t, s3Client(s3), "glue-lake", false)
	moto := "http://" + startServer(t, "moto_server", "-H", "127.0.0.1", "-p", "{port}")
	etltest.Sink(t, func(t *testing.T) etltest.SinkUnderTest {
		skipRaces(t)
		reset, err := http.Post(moto+"/moto-api/reset", "", nil)
		require.NoError(t, err)
		require.NoError(t, reset.Body.Close())
		cfg := gluesink.Config{AWS: s3Config(), Warehouse: "s3://glue-lake/" + t.Name(), S3Endpoint: "http://" + s3, PathStyle: true}
		cfg.AWS.BaseEndpoint = aws.String(moto)
		s, err := gluesink.Open(t.Context(), cfg)
		require.NoError(t, err)
		t.Cleanup(func() { require.NoError(t, s.Close()) })
		return s
	})
}

// skipRaces leaves out what needs compare-and-swap: moto does not check VersionId. Our
// own fake of Glue does, and passes these tests (package gluesink).
func skipRaces(t *testing.T) {
	name := path.Base(t.Name())
	if strings.Contains(name, "Race") || name == "FilesSideBySide" || name == "DiscardedWhileItIsBeing" {
		t.Skip("moto does not check VersionId")
	}
}

func TestGlueIsReadByPyIceberg(t *testing.T) {
	s3 := startS3(t)
	newBucket(t, s3Client(s3), "glue-lake", false)
	cfg := gluesink.Config{AWS: s3Config(), Warehouse: "s3://glue-lake/warehouse", S3Endpoint: "http://" + s3, PathStyle: true}
	cfg.AWS.BaseEndpoint = aws.String("http://" + startServer(t, "moto_server", "-H", "127.0.0.1", "-p", "{port}"))
	s, err := gluesink.Open(t.Context(), cfg)
	require.NoError(t, err)
	want := loadPeople(t, s)
	require.NoError(t, s.Close())
	require.Equal(t, want, readPeople(t, "type=glue", "glue.endpoint="+*cfg.AWS.BaseEndpoint, "glue.region="+s3Region,
		"glue.access-key-id="+s3Access, "glue.secret-access-key="+s3Secret, "s3.endpoint="+cfg.S3Endpoint,
		"s3.region="+s3Region, "s3.access-key-id="+s3Access, "s3.secret-access-key="+s3Secret))
}
