package gluesink_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tidemark-data/etl"
	"github.com/tidemark-data/etl/etltest"
	"github.com/tidemark-data/etl/etltest/awstest"
	"github.com/tidemark-data/etl/format"
	"github.com/tidemark-data/etl/sink/icebergsink/gluesink"
	"github.com/tidemark-data/etl/source"
)

func people() etl.Table {
	return etl.Table{
		Name: "mpd.people", Key: []string{"id"}, AllowEmpty: true,
		Columns: etl.Columns{{Name: "id", Type: etl.Long, Doc: "who it is"}, {Name: "name", Type: etl.String}},
		Op:      etl.OpColumn{Column: "op"},
		Format:  csv("id", "name"),
	}
}

func csv(columns ...string) etl.Format {
	return format.CSV{FullColumns: columns, ChangeColumns: append([]string{"op"}, columns...)}
}

// loader makes loads of text.
type loader struct {
	t      testing.TB
	table  etl.Table
	source *source.Memory
	mu     sync.Mutex
	n      int
}

func newLoader(t testing.TB, table etl.Table) *loader {
	return &loader{t: t, table: table, source: source.NewMemory()}
}

func (l *loader) land(kind etl.LoadKind, text string) etl.Load {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.n++
	f := l.source.Put(fmt.Sprintf("%04d.csv", l.n), []byte(text), time.Unix(int64(1_700_000_000+l.n), 0))
	return etl.Load{
		ID: fmt.Sprintf("%032x", l.n), Table: l.table.Name, Kind: kind, Epoch: 1, Fence: 1, Files: []etl.File{f},
		Watermark: fmt.Sprintf("%04d", l.n), WatermarkFile: f.Location, Landed: f.ModTime,
	}
}

func (l *loader) try(ctx context.Context, s *gluesink.Sink, load etl.Load) (etl.Receipt, error) {
	target, err := l.table.Target()
	require.NoError(l.t, err)
	changes, err := etl.NewChanges(etl.ChangesConfig{Table: l.table, Load: load, Source: l.source})
	require.NoError(l.t, err)
	return s.Apply(ctx, target, load, changes)
}

func (l *loader) apply(s *gluesink.Sink, kind etl.LoadKind, text string) etl.Receipt {
	l.t.Helper()
	r, err := l.try(l.t.Context(), s, l.land(kind, text))
	require.NoError(l.t, err)
	return r
}

func (l *loader) rows(s *gluesink.Sink) etltest.Rows {
	l.t.Helper()
	rows, err := etltest.ReadRows(l.t.Context(), s, l.table.Name)
	require.NoError(l.t, err)
	return rows
}

func (c *cloud) snapshots(s *gluesink.Sink, table string) int {
	c.t.Helper()
	tbl, err := s.Table(c.t.Context(), table)
	require.NoError(c.t, err)
	return len(tbl.Metadata().Snapshots())
}

// next answers the next n calls of op with the fault.
func (c *cloud) next(op string, n int, fault awstest.GlueFault) {
	var mu sync.Mutex
	c.glue.Fault = func(call awstest.GlueCall) awstest.GlueFault {
		mu.Lock()
		defer mu.Unlock()
		if call.Op != op || n == 0 {
			return awstest.GlueNone
		}
		n--
		return fault
	}
}

// The SDK repeats requests by itself. Whatever becomes of the commit, the load
// is in the table once, and nothing that the table needs was removed.
func TestCommitMeetsFaults(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name  string
		fault awstest.GlueFault
		calls int
		found bool // the load went through under an answer that did not come
	}{
		{"throttled once", awstest.GlueThrottle, 1, false},
		{"throttled until the SDK gives up", awstest.GlueThrottle, 3, false},
		{"failed before the effect", awstest.GlueFailBefore, 3, false},
		{"failed after the effect", awstest.GlueFailAfter, 1, true},
		{"failed after the effect, for good", awstest.GlueFailAfter, 3, true},
		{"answer lost", awstest.GlueLoseAnswer, 1, true},
		{"all answers lost", awstest.GlueLoseAnswer, 3, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			c := newCloud(t)
			s := c.open()
			l := newLoader(t, people())
			l.apply(s, etl.Full, "1,Ann\n2,Bob\n")
			c.next("UpdateTable", test.calls, test.fault)
			r := l.apply(s, etl.Incremental, "U,1,Anne\nD,2,\nI,3,Cy\n")
			require.Equal(t, test.found, r.Found)
			require.Empty(t, etltest.Rows{{1, "Anne"}, {3, "Cy"}}.Diff(l.rows(s)))
			require.Equal(t, 2, c.snapshots(s, l.table.Name))
			l.apply(s, etl.Incremental, "I,4,Di\n")
			require.Empty(t, etltest.Rows{{1, "Anne"}, {3, "Cy"}, {4, "Di"}}.Diff(l.rows(s)))
		})
	}
}

// Refusals that need a person end the load, with a hint and without a second
// attempt, and the table is as before.
func TestRefusalsAreTerminal(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		op    string
		fault awstest.GlueFault
		hint  string
	}{
		{"UpdateTable", awstest.GlueDeny, "IAM policy"},
		{"UpdateTable", awstest.GlueQuota, "quota"},
		{"GetTable", awstest.GlueDeny, "IAM policy"},
	} {
		t.Run(fmt.Sprint(test.op, test.fault), func(t *testing.T) {
			t.Parallel()
			c := newCloud(t)
			s := c.open()
			l := newLoader(t, people())
			l.apply(s, etl.Full, "1,Ann\n")
			c.next(test.op, 1, test.fault)
			_, err := l.try(t.Context(), s, l.land(etl.Incremental, "U,1,Anne\n"))
			require.Equal(t, etl.Terminal, etl.OutcomeOf(err), "%v", err)
			require.ErrorContains(t, err, test.hint)
			require.NotContains(t, err.Error(), "secret")
			require.Empty(t, etltest.Rows{{1, "Ann"}}.Diff(l.rows(s)))
			require.Equal(t, 1, c.snapshots(s, l.table.Name))
		})
	}
	t.Run("CreateTable", func(t *testing.T) {
		t.Parallel()
		c := newCloud(t)
		l := newLoader(t, people())
		c.next("CreateTable", 1, awstest.GlueQuota)
		_, err := l.try(t.Context(), c.open(), l.land(etl.Full, "1,Ann\n"))
		require.Equal(t, etl.Terminal, etl.OutcomeOf(err), "%v", err)
		require.ErrorContains(t, err, "quota")
	})
}

// A refusal may be the second answer to a request whose first went through: the
// load is found, and its files are kept.
func TestRefusalAfterTheCommitWentThrough(t *testing.T) {
	t.Parallel()
	c := newCloud(t)
	s := c.open()
	l := newLoader(t, people())
	l.apply(s, etl.Full, "1,Ann\n")
	n := 0
	c.glue.Fault = func(call awstest.GlueCall) awstest.GlueFault {
		if call.Op != "UpdateTable" {
			return awstest.GlueNone
		}
		if n++; n == 1 {
			return awstest.GlueLoseAnswer
		}
		return awstest.GlueDeny
	}
	r := l.apply(s, etl.Incremental, "U,1,Anne\n")
	require.True(t, r.Found)
	require.Equal(t, 2, n)
	require.Empty(t, etltest.Rows{{1, "Anne"}}.Diff(l.rows(s)))
}

// S3 refuses a write: nothing is committed, and the error says what to look at.
func TestStorageRefuses(t *testing.T) {
	t.Parallel()
	c := newCloud(t)
	s := c.open()
	l := newLoader(t, people())
	l.apply(s, etl.Full, "1,Ann\n")
	c.requests.deny(func(r request) bool { return r.method == "PUT" && strings.HasSuffix(r.key, ".parquet") })
	_, err := l.try(t.Context(), s, l.land(etl.Incremental, "U,1,Anne\n"))
	require.Equal(t, etl.Terminal, etl.OutcomeOf(err), "%v", err)
	require.ErrorContains(t, err, "S3 refuses")
	c.requests.deny(nil)
	require.Empty(t, etltest.Rows{{1, "Ann"}}.Diff(l.rows(s)))
	require.Equal(t, 1, c.snapshots(s, l.table.Name))
}

// meet holds the first call of op back until there is a second, so that both
// are on the same version of the table.
func meet(op string) func(awstest.GlueCall) awstest.GlueFault {
	var n atomic.Int32
	second := make(chan struct{})
	return func(call awstest.GlueCall) awstest.GlueFault {
		if call.Op != op {
			return awstest.GlueNone
		}
		switch n.Add(1) {
		case 1:
			select {
			case <-second:
			case <-time.After(30 * time.Second):
			}
		case 2:
			close(second)
		}
		return awstest.GlueNone
	}
}

// Two processes load into one table at once: every load is there once, and no
// key twice.
func TestTwoSinksRace(t *testing.T) {
	t.Parallel()
	const each = 5
	c := newCloud(t)
	l := newLoader(t, people())
	first := c.open()
	l.apply(first, etl.Full, "1,Ann\n2,Bob\n")
	c.glue.Fault = meet("UpdateTable")
	var wg sync.WaitGroup
	for w := range 2 {
		s := c.open(func(cfg *gluesink.Config) { cfg.Attempts = 30 })
		wg.Add(1)
		go func() {
			defer wg.Done()
			for i := range each {
				load := l.land(etl.Incremental, fmt.Sprintf("U,1,w%d\nI,%d,new\n", w, 100*(w+1)+i))
				for {
					_, err := l.try(context.Background(), s, load)
					if err == nil {
						break
					}
					if !errors.Is(err, etl.ErrConflict) {
						t.Errorf("writer %d: %v", w, err)
						return
					}
				}
			}
		}()
	}
	wg.Wait()
	require.Len(t, l.rows(first), 2+2*each, "a key is there twice, or a row is lost")
	require.Equal(t, 1+2*each, c.snapshots(first, l.table.Name))
	updates := 0
	for _, call := range c.glue.Calls() {
		if call.Op == "UpdateTable" {
			updates++
		}
	}
	require.Greater(t, updates, 1+2*each, "the writers never met, so nothing was tested")
}
