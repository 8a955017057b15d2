package restsink_test

import (
	"database/sql"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/apache/iceberg-go"
	"github.com/apache/iceberg-go/catalog"
	sqlcat "github.com/apache/iceberg-go/catalog/sql"
	"github.com/apache/iceberg-go/table"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/johannesboyne/gofakes3"
	"github.com/johannesboyne/gofakes3/backend/s3mem"
	"github.com/stretchr/testify/require"
	_ "modernc.org/sqlite"

	"github.com/tidemark-data/etl/sink/icebergsink/internal/awslake"
	"github.com/tidemark-data/etl/sink/icebergsink/restsink"
)

// service is a REST catalog on this machine, over a SQL catalog and an S3 in
// memory: as much of the API as the sink asks for.
type service struct {
	t     testing.TB
	cat   catalog.Catalog
	url   string
	s3URL string

	mu sync.Mutex
	// before answers a request in the catalog's place; 0 lets it pass. after
	// replaces the answer to a request that had its effect.
	before, after func(*http.Request) int
	seen          []*http.Request
}

func newService(t testing.TB) *service {
	back := s3mem.New()
	require.NoError(t, back.CreateBucket("lake"))
	s3 := httptest.NewServer(gofakes3.New(back).Server())
	t.Cleanup(s3.Close)
	db, err := sql.Open("sqlite", "file:"+filepath.Join(t.TempDir(), "catalog.db")+"?_pragma=busy_timeout(10000)&_txlock=immediate")
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, db.Close()) })
	s := &service{t: t, s3URL: s3.URL}
	storage := awslake.Storage{AWS: s.config().AWS, Endpoint: s3.URL, PathStyle: true}
	props := storage.Properties()
	props["warehouse"] = "s3://lake/warehouse"
	inner, err := sqlcat.NewCatalog("rest", db, sqlcat.SQLite, props)
	require.NoError(t, err)
	s.cat = awslake.NewCatalog(inner, storage.Config(), props, awslake.Hooks{})
	web := httptest.NewServer(http.HandlerFunc(s.serve))
	t.Cleanup(web.Close)
	s.url = web.URL + "/iceberg"
	return s
}

func (s *service) config() restsink.Config {
	return restsink.Config{
		URI: s.url, Warehouse: "wh", S3Endpoint: s.s3URL, PathStyle: true,
		AWS: aws.Config{Region: "eu-west-1", Credentials: credentials.NewStaticCredentialsProvider("id", "secret", "")},
	}
}

func (s *service) open(change ...func(*restsink.Config)) *restsink.Sink {
	s.t.Helper()
	cfg := s.config()
	for _, f := range change {
		f(&cfg)
	}
	sink, err := restsink.Open(s.t.Context(), cfg)
	require.NoError(s.t, err)
	s.t.Cleanup(func() { require.NoError(s.t, sink.Close()) })
	return sink
}

func (s *service) faults(before, after func(*http.Request) int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.before, s.after = before, after
}

// requests returns what was asked since the last call.
func (s *service) requests() []*http.Request {
	s.mu.Lock()
	defer s.mu.Unlock()
	seen := s.seen
	s.seen = nil
	return seen
}

func (s *service) serve(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	s.seen = append(s.seen, r)
	before, after := s.before, s.after
	s.mu.Unlock()
	if before != nil {
		if status := before(r); status != 0 {
			refuse(w, status)
			return
		}
	}
	status, out := s.answer(r)
	if after != nil {
		if other := after(r); other != 0 {
			refuse(w, other)
			return
		}
	}
	if status != http.StatusOK {
		refuse(w, status)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(out)
}

func refuse(w http.ResponseWriter, status int) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(map[string]any{"error": map[string]any{"message": http.StatusText(status), "type": "Fake", "code": status}})
}

type tableRequest struct {
	Name         string
	Namespace    []string
	Schema       *iceberg.Schema
	Properties   iceberg.Properties
	Requirements table.Requirements
	Updates      table.Updates
}

func (s *service) answer(r *http.Request) (int, any) {
	path, ok := strings.CutPrefix(r.URL.Path, "/iceberg/v1/")
	if !ok {
		return http.StatusNotFound, nil
	}
	var req tableRequest
	if r.Method == http.MethodPost {
		if err := json.NewDecoder(r.Body).Decode(&req); err != nil {
			return http.StatusBadRequest, nil
		}
	}
	parts := strings.Split(path, "/")
	switch {
	case path == "config":
		return http.StatusOK, map[string]any{"defaults": map[string]string{}, "overrides": map[string]string{}}
	case path == "namespaces" && r.Method == http.MethodPost:
		return s.result(map[string]any{}, s.cat.CreateNamespace(r.Context(), req.Namespace, req.Properties))
	case path == "namespaces":
		list, err := s.cat.ListNamespaces(r.Context(), nil)
		return s.result(map[string]any{"namespaces": list}, err)
	case len(parts) == 3 && r.Method == http.MethodPost:
		t, err := s.cat.CreateTable(r.Context(), table.Identifier{parts[1], req.Name}, req.Schema, catalog.WithProperties(req.Properties))
		return s.table(t, err)
	case len(parts) == 3:
		ids := []map[string]any{}
		for id, err := range s.cat.ListTables(r.Context(), table.Identifier{parts[1]}) {
			if err != nil {
				return s.result(nil, err)
			}
			ids = append(ids, map[string]any{"namespace": id[:1], "name": id[1]})
		}
		return http.StatusOK, map[string]any{"identifiers": ids}
	case len(parts) == 4 && r.Method == http.MethodPost:
		meta, location, err := s.cat.CommitTable(r.Context(), table.Identifier{parts[1], parts[3]}, req.Requirements, req.Updates)
		return s.result(map[string]any{"metadata-location": location, "metadata": meta}, err)
	case len(parts) == 4:
		return s.table(s.cat.LoadTable(r.Context(), table.Identifier{parts[1], parts[3]}))
	}
	return http.StatusNotFound, nil
}

func (s *service) table(t *table.Table, err error) (int, any) {
	if err != nil {
		return s.result(nil, err)
	}
	return http.StatusOK, map[string]any{"metadata-location": t.MetadataLocation(), "metadata": t.Metadata(), "config": map[string]string{}}
}

func (s *service) result(out any, err error) (int, any) {
	switch {
	case err == nil:
		return http.StatusOK, out
	case errors.Is(err, catalog.ErrNoSuchTable), errors.Is(err, catalog.ErrNoSuchNamespace):
		return http.StatusNotFound, nil
	case errors.Is(err, catalog.ErrTableAlreadyExists), errors.Is(err, catalog.ErrNamespaceAlreadyExists),
		errors.Is(err, table.ErrCommitFailed), strings.Contains(err.Error(), "requirement failed"),
		strings.Contains(err.Error(), "UNIQUE constraint"):
		return http.StatusConflict, nil
	}
	s.t.Logf("catalog: %v", err)
	return http.StatusInternalServerError, nil
}
