package restsink_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/stretchr/testify/require"

	"github.com/tidemark-data/etl"
	"github.com/tidemark-data/etl/etltest"
	"github.com/tidemark-data/etl/format"
	"github.com/tidemark-data/etl/sink/icebergsink/restsink"
	"github.com/tidemark-data/etl/source"
)

func TestConformance(t *testing.T) {
	t.Parallel()
	etltest.Sink(t, func(t *testing.T) etltest.SinkUnderTest { return newService(t).open() })
}

// loader makes loads of text.
type loader struct {
	t      testing.TB
	table  etl.Table
	source *source.Memory
	n      atomic.Int64
}

func newLoader(t testing.TB) *loader {
	return &loader{t: t, source: source.NewMemory(), table: etl.Table{
		Name: "mpd.people", Key: []string{"id"},
		Columns: etl.Columns{{Name: "id", Type: etl.Long}, {Name: "name", Type: etl.String}},
		Op:      etl.OpColumn{Column: "op"},
		Format:  format.CSV{FullColumns: []string{"id", "name"}, ChangeColumns: []string{"op", "id", "name"}},
	}}
}

func (l *loader) land(kind etl.LoadKind, text string) etl.Load {
	n := l.n.Add(1)
	f := l.source.Put(fmt.Sprintf("%04d.csv", n), []byte(text), time.Unix(1_700_000_000+n, 0))
	return etl.Load{
		ID: fmt.Sprintf("%032x", n), Table: l.table.Name, Kind: kind, Epoch: 1, Fence: 1, Files: []etl.File{f},
		Watermark: fmt.Sprintf("%04d", n), WatermarkFile: f.Location, Landed: f.ModTime,
	}
}

func (l *loader) try(ctx context.Context, s *restsink.Sink, load etl.Load) (etl.Receipt, error) {
	target, err := l.table.Target()
	require.NoError(l.t, err)
	changes, err := etl.NewChanges(etl.ChangesConfig{Table: l.table, Load: load, Source: l.source})
	require.NoError(l.t, err)
	return s.Apply(ctx, target, load, changes)
}

func (l *loader) apply(s *restsink.Sink, kind etl.LoadKind, text string) etl.Receipt {
	l.t.Helper()
	r, err := l.try(l.t.Context(), s, l.land(kind, text))
	require.NoError(l.t, err)
	return r
}

func (l *loader) want(s *restsink.Sink, rows etltest.Rows) {
	l.t.Helper()
	got, err := etltest.ReadRows(l.t.Context(), s, l.table.Name)
	require.NoError(l.t, err)
	require.Empty(l.t, rows.Diff(got))
}

// commits answers the first n commits with the status.
func commits(n int, status int) func(*http.Request) int {
	var mu sync.Mutex
	return func(r *http.Request) int {
		mu.Lock()
		defer mu.Unlock()
		if r.Method != http.MethodPost || !strings.HasSuffix(r.URL.Path, "/tables/people") || n == 0 {
			return 0
		}
		n--
		return status
	}
}

func TestCommitMeetsFaults(t *testing.T) {
	t.Parallel()
	for _, status := range []int{409, 429, 500, 502, 503, 504} {
		for _, after := range []bool{false, true} {
			t.Run(fmt.Sprint(status, after), func(t *testing.T) {
				t.Parallel()
				c := newService(t)
				s := c.open()
				l := newLoader(t)
				l.apply(s, etl.Full, "1,Ann\n2,Bob\n")
				if after {
					c.faults(nil, commits(1, status))
				} else {
					c.faults(commits(1, status), nil)
				}
				r := l.apply(s, etl.Incremental, "U,1,Anne\nD,2,\n")
				require.Equal(t, after, r.Found)
				l.want(s, etltest.Rows{{1, "Anne"}})
				tbl, err := s.Table(t.Context(), l.table.Name)
				require.NoError(t, err)
				require.Len(t, tbl.Metadata().Snapshots(), 2)
			})
		}
	}
}

func TestRefusalsAreTerminal(t *testing.T) {
	t.Parallel()
	for status, hint := range map[int]string{400: "does not take", 401: "credentials", 403: "credentials", 404: "went away", 501: "does not offer"} {
		t.Run(fmt.Sprint(status), func(t *testing.T) {
			t.Parallel()
			c := newService(t)
			s := c.open()
			l := newLoader(t)
			l.apply(s, etl.Full, "1,Ann\n")
			c.faults(commits(99, status), nil)
			c.requests()
			_, err := l.try(t.Context(), s, l.land(etl.Incremental, "U,1,Anne\n"))
			require.Equal(t, etl.Terminal, etl.OutcomeOf(err), "%v", err)
			require.ErrorContains(t, err, hint)
			tried := 0
			for _, r := range c.requests() {
				if r.Method == http.MethodPost {
					tried++
				}
			}
			require.Equal(t, 1, tried, "a refusal is not tried again")
			l.want(s, etltest.Rows{{1, "Ann"}})
		})
	}
}

// A refused answer to a commit that went through is found out.
func TestRefusalAfterTheEffect(t *testing.T) {
	t.Parallel()
	c := newService(t)
	s := c.open()
	l := newLoader(t)
	l.apply(s, etl.Full, "1,Ann\n")
	c.faults(nil, commits(1, http.StatusForbidden))
	require.True(t, l.apply(s, etl.Incremental, "U,1,Anne\n").Found)
	l.want(s, etltest.Rows{{1, "Anne"}})
}

func TestTwoSinksRace(t *testing.T) {
	t.Parallel()
	const each = 4
	c := newService(t)
	l := newLoader(t)
	l.apply(c.open(), etl.Full, "1,Ann\n2,Bob\n")
	var wg sync.WaitGroup
	for w := range 2 {
		s := c.open(func(cfg *restsink.Config) { cfg.Attempts = 30 })
		wg.Add(1)
		go func() {
			defer wg.Done()
			for i := range each {
				load := l.land(etl.Incremental, fmt.Sprintf("U,1,w%d\nI,%d,new\n", w, 100*(w+1)+i))
				_, err := l.try(context.Background(), s, load)
				for errors.Is(err, etl.ErrConflict) {
					_, err = l.try(context.Background(), s, load)
				}
				if err != nil {
					t.Errorf("writer %d: %v", w, err)
				}
			}
		}()
	}
	wg.Wait()
	rows, err := etltest.ReadRows(t.Context(), c.open(), l.table.Name)
	require.NoError(t, err)
	require.Len(t, rows, 2+2*each)
}

// With SigV4 every request is signed, for the service and region asked for.
func TestSigV4(t *testing.T) {
	t.Parallel()
	c := newService(t)
	s := c.open(func(cfg *restsink.Config) {
		cfg.SigV4, cfg.SigningName, cfg.SigningRegion = true, "s3tables", "us-east-2"
		cfg.SideLocation = "s3://lake/side"
	})
	l := newLoader(t)
	l.apply(s, etl.Full, "1,Ann\n")
	seen := c.requests()
	require.NotEmpty(t, seen)
	for _, r := range seen {
		require.Contains(t, r.Header.Get("Authorization"), "/us-east-2/s3tables/aws4_request", r.URL.Path)
		require.NotEmpty(t, r.Header.Get("X-Amz-Content-Sha256"))
	}
}

func TestToken(t *testing.T) {
	t.Parallel()
	c := newService(t)
	newLoader(t).apply(c.open(func(cfg *restsink.Config) {
		cfg.Token, cfg.Headers = "abc", map[string]string{"X-Tenant": "t1"}
	}), etl.Full, "1,Ann\n")
	for _, r := range c.requests() {
		require.Equal(t, "Bearer abc", r.Header.Get("Authorization"))
		require.Equal(t, "t1", r.Header.Get("X-Tenant"))
	}
	c.faults(func(*http.Request) int { return http.StatusUnauthorized }, nil)
	cfg := c.config()
	cfg.Token = "hush"
	_, err := restsink.Open(t.Context(), cfg)
	require.Equal(t, etl.Terminal, etl.OutcomeOf(err))
	require.NotContains(t, err.Error(), "hush")
}

func TestLowerCase(t *testing.T) {
	t.Parallel()
	c := newService(t)
	l := newLoader(t)
	l.table.Name = "mpd.People"
	_, err := l.try(t.Context(), c.open(func(cfg *restsink.Config) { cfg.LowerCase = true }), l.land(etl.Full, "1,Ann\n"))
	require.Equal(t, etl.Terminal, etl.OutcomeOf(err))
	l.apply(c.open(), etl.Full, "1,Ann\n")
}

func TestEndpointsOfAWS(t *testing.T) {
	t.Parallel()
	cfg := aws.Config{Region: "eu-west-1"}
	got := restsink.GlueREST(cfg, "123456789012")
	require.Equal(t, "https://glue.eu-west-1.amazonaws.com/iceberg", got.URI)
	require.Equal(t, "123456789012", got.Warehouse)
	require.Equal(t, "glue", got.SigningName)
	require.True(t, got.LowerCase)

	arn := "arn:aws:s3tables:us-east-2:123456789012:bucket/tables"
	got, err := restsink.S3Tables(aws.Config{}, arn, "s3://side/orders")
	require.NoError(t, err)
	require.Equal(t, "https://s3tables.us-east-2.amazonaws.com/iceberg", got.URI)
	require.Equal(t, arn, got.Warehouse)
	require.Equal(t, "us-east-2", got.AWS.Region)
	require.Equal(t, "s3tables", got.SigningName)
	_, err = restsink.S3Tables(cfg, arn, "")
	require.ErrorContains(t, err, "region us-east-2")
	_, err = restsink.S3Tables(cfg, "arn:aws:s3:::bucket", "")
	require.ErrorContains(t, err, "not the ARN")
}

func TestConfigIsChecked(t *testing.T) {
	t.Parallel()
	good := newService(t).config()
	for _, test := range []struct {
		why    string
		change func(*restsink.Config)
	}{
		{"uri", func(c *restsink.Config) { c.URI = "catalog" }},
		{"uri", func(c *restsink.Config) { c.URI = "https://me:pass@host/" }},
		{"give one", func(c *restsink.Config) { c.Token, c.Credential = "a", "b" }},
		{"either by SigV4 or by a token", func(c *restsink.Config) { c.Token, c.SigV4 = "a", true }},
		{"no credentials", func(c *restsink.Config) { c.SigV4 = true; c.AWS.Credentials = nil }},
		{"no region", func(c *restsink.Config) { c.SigV4 = true; c.AWS.Region = "" }},
		{"side location", func(c *restsink.Config) { c.SigV4, c.SigningName = true, "s3tables" }},
	} {
		cfg := good
		test.change(&cfg)
		_, err := restsink.Open(t.Context(), cfg)
		require.ErrorContains(t, err, test.why)
		require.NotContains(t, err.Error(), "pass@")
	}
}
