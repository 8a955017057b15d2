//go:build integration

package integration

import (
	"testing"

	"github.com/apache/iceberg-go/catalog/rest"
	"github.com/stretchr/testify/require"

	"github.com/tidemark-data/etl/etltest"
	"github.com/tidemark-data/etl/sink/icebergsink/restsink"
)

// startREST starts a REST catalog over an empty bucket.
func startREST(t testing.TB) restsink.Config {
	s3 := startS3(t)
	newBucket(t, s3Client(s3), "rest-lake", false)
	rest := startServer(t, "iceberg-rest", "{port}", "s3://rest-lake/warehouse", "http://"+s3, s3Region, s3Access, s3Secret)
	return restsink.Config{URI: "http://" + rest, AWS: s3Config(), S3Endpoint: "http://" + s3, PathStyle: true}
}

// emptyREST drops all tables of the catalog.
func emptyREST(t testing.TB, cfg restsink.Config) {
	cat, err := rest.NewCatalog(t.Context(), "", cfg.URI)
	require.NoError(t, err)
	namespaces, err := cat.ListNamespaces(t.Context(), nil)
	require.NoError(t, err)
	for _, ns := range namespaces {
		for ident, err := range cat.ListTables(t.Context(), ns) {
			require.NoError(t, err)
			require.NoError(t, cat.DropTable(t.Context(), ident))
		}
	}
}

func TestRESTConformance(t *testing.T) {
	cfg := startREST(t)
	etltest.Sink(t, func(t *testing.T) etltest.SinkUnderTest {
		emptyREST(t, cfg)
		s, err := restsink.Open(t.Context(), cfg)
		require.NoError(t, err)
		t.Cleanup(func() { require.NoError(t, s.Close()) })
		return s
	})
}

func TestRESTIsReadByPyIceberg(t *testing.T) {
	cfg := startREST(t)
	s, err := restsink.Open(t.Context(), cfg)
	require.NoError(t, err)
	want := loadPeople(t, s)
	require.NoError(t, s.Close())
	require.Equal(t, want, readPeople(t, "type=rest", "uri="+cfg.URI, "s3.endpoint="+cfg.S3Endpoint,
		"s3.region="+s3Region, "s3.access-key-id="+s3Access, "s3.secret-access-key="+s3Secret))
}
