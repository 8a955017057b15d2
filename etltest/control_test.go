package etltest_test

import (
	"context"
	"errors"
	"iter"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"github.com/tidemark-data/etl"
	"github.com/tidemark-data/etl/control"
	"github.com/tidemark-data/etl/etltest"
)

// flaws runs a suite over adapters with a flaw each: names tells which test of
// the suite must find it. That runs in a process of its own, because it fails.
func flaws(t *testing.T, names map[string]string, suite func(t *testing.T, flaw string)) {
	if flaw, ok := os.LookupEnv("ETLTEST_FLAW"); ok {
		suite(t, flaw)
		return
	}
	suite(t, "")
	for flaw, finder := range names {
		t.Run(strings.ReplaceAll(flaw, " ", "_"), func(t *testing.T) {
			t.Parallel()
			name, _, _ := strings.Cut(t.Name(), "/")
			c := exec.Command(os.Args[0], "-test.run=^"+name+"$/^"+finder+"$", "-test.timeout=60s")
			c.Env = append(os.Environ(), "ETLTEST_FLAW="+flaw)
			out, err := c.CombinedOutput()
			var exit *exec.ExitError
			require.ErrorAs(t, err, &exit, "the suite let it pass: %s", out)
			require.Contains(t, string(out), "--- FAIL", "it must fail, not break")
			require.NotContains(t, string(out), "panic:")
		})
	}
}

// flawed is the memory store with a flaw.
type flawed struct {
	etl.ControlStore
	flaw  string
	mu    sync.Mutex
	cache map[string]etl.State
}

func (f *flawed) Update(ctx context.Context, u etl.Update) error {
	st, err := f.ControlStore.State(context.Background(), u.State.Table)
	if err != nil {
		return err
	}
	switch f.flaw {
	case "last writer wins":
		u.State.Version = st.Version
	case "check, then write":
		if u.State.Version != st.Version {
			return etl.ErrConflict
		}
		time.Sleep(100 * time.Microsecond)
		for range 50 {
			st, _ = f.ControlStore.State(ctx, u.State.Table)
			u.State.Version = st.Version
			if err := f.ControlStore.Update(ctx, u); !errors.Is(err, etl.ErrConflict) {
				return err
			}
		}
	case "holds its lock":
		if !f.mu.TryLock() {
			return errors.New("deadlock")
		}
		f.mu.Unlock()
	case "no fences":
		u.Fence = 0
	case "fence restarts":
		if u.Fence != 0 && u.Fence < st.Fence {
			return etl.ErrStaleFence
		}
		u.Fence = 0
	case "inserts over":
		u.Put, u.Insert = slices.Concat(u.Insert, u.Put), nil
	case "not atomic":
		_ = f.ControlStore.Update(ctx, etl.Update{State: etl.State{Table: "other", Version: f.version("other")}, Put: u.Put})
	case "history before check":
		if err := f.ControlStore.Update(ctx, u); err != nil {
			st, _ := f.ControlStore.State(ctx, u.State.Table)
			_ = f.ControlStore.Update(ctx, etl.Update{State: st, Entries: u.Entries})
			return err
		}
		return nil
	case "coarse times":
		for i := range u.Insert {
			u.Insert[i].ModTime = u.Insert[i].ModTime.Truncate(time.Microsecond)
		}
	case "conflict without sentinel":
		if err := f.ControlStore.Update(ctx, u); err != nil {
			return errors.New(err.Error())
		}
		return nil
	case "no NUL":
		u.State.Watermark, _, _ = strings.Cut(u.State.Watermark, "\x00")
	case "UTF-8 only":
		for i := range u.Insert {
			if !utf8.ValidString(u.Insert[i].Note) {
				u.Insert[i].Note = strings.ToValidUTF8(u.Insert[i].Note, "\ufffd")
			}
		}
	case "deaf to the context":
		ctx = context.WithoutCancel(ctx)
	case "at most 1000":
		if len(u.Insert) > 1000 {
			u.Insert = u.Insert[:1000]
		}
	case "aliases":
		f.mu.Lock()
		defer f.mu.Unlock()
		if err := f.ControlStore.Update(ctx, u); err != nil {
			return err
		}
		st, err := f.ControlStore.State(ctx, u.State.Table)
		st.Running = u.State.Running
		f.cache[u.State.Table] = st
		return err
	}
	return f.ControlStore.Update(ctx, u)
}

func (f *flawed) version(table string) int64 {
	st, _ := f.ControlStore.State(context.Background(), table)
	return st.Version
}

func (f *flawed) State(ctx context.Context, table string) (etl.State, error) {
	if f.flaw == "aliases" {
		f.mu.Lock()
		defer f.mu.Unlock()
	}
	if st, ok := f.cache[table]; ok {
		return st, ctx.Err()
	}
	st, err := f.ControlStore.State(ctx, table)
	if f.flaw == "no name" && st.Version == 0 {
		st.Table = ""
	}
	return st, err
}

func (f *flawed) Files(ctx context.Context, q etl.FileQuery) iter.Seq2[etl.FileRecord, error] {
	limit := q.Limit
	switch f.flaw {
	case "limit before filter":
		var ids []string
		for r := range f.ControlStore.Files(ctx, etl.FileQuery{Table: q.Table, Limit: q.Limit}) {
			ids = append(ids, r.ID())
		}
		if q.Limit > 0 && len(q.IDs) == 0 && len(ids) > 0 {
			q.IDs = ids
		}
	case "kind ignored":
		q.Kind = etl.Unknown
	case "last status only":
		if n := len(q.Statuses); n > 0 {
			q.Statuses = q.Statuses[n-1:]
		}
	case "100 IDs":
		q.IDs = q.IDs[:min(len(q.IDs), 100)]
	case "order by letters", "location before order":
		q.Limit = 0
	}
	seq := f.ControlStore.Files(ctx, q)
	compare := map[string]func(a, b etl.FileRecord) int{
		"order by letters": func(a, b etl.FileRecord) int {
			return strings.Compare(strings.ToLower(a.Order)+"\x00"+a.Location, strings.ToLower(b.Order)+"\x00"+b.Location)
		},
		"location before order": func(a, b etl.FileRecord) int {
			return strings.Compare(a.Location+"\x00"+a.Order, b.Location+"\x00"+b.Order)
		},
	}[f.flaw]
	return func(yield func(etl.FileRecord, error) bool) {
		var all []etl.FileRecord
		for r, err := range seq {
			if compare != nil && err == nil {
				all = append(all, r)
				continue
			}
			if f.flaw == "holds its lock" {
				f.mu.Lock()
			}
			ok := yield(r, err)
			if f.flaw == "holds its lock" {
				f.mu.Unlock()
			}
			if !ok {
				return
			}
		}
		if compare != nil {
			slices.SortStableFunc(all, compare)
			for i, r := range all {
				if limit > 0 && i == limit || !yield(r, nil) {
					return
				}
			}
		}
	}
}

func (f *flawed) History(ctx context.Context, table string) iter.Seq2[etl.Entry, error] {
	if f.flaw != "oldest first" && f.flaw != "history by time" {
		return f.ControlStore.History(ctx, table)
	}
	var all []etl.Entry
	for e := range f.ControlStore.History(ctx, table) {
		all = append(all, e)
	}
	slices.Reverse(all)
	if f.flaw == "history by time" {
		slices.SortStableFunc(all, func(a, b etl.Entry) int { return b.At.Compare(a.At) })
	}
	return func(yield func(etl.Entry, error) bool) {
		for _, e := range all {
			if !yield(e, nil) {
				return
			}
		}
	}
}

func TestFlawedControlStores(t *testing.T) {
	flaws(t, map[string]string{
		"last writer wins":          "CompareAndSwap",
		"check, then write":         "RaceForVersion",
		"no fences":                 "Fences",
		"fence restarts":            "Fences",
		"inserts over":              "InsertConflict",
		"not atomic":                "Atomic",
		"history before check":      "Atomic",
		"coarse times":              "StateRoundTrip",
		"conflict without sentinel": "CompareAndSwap",
		"no NUL":                    "HostileNames",
		"UTF-8 only":                "HostileNames",
		"deaf to the context":       "Context",
		"at most 1000":              "LargeUpdate",
		"aliases":                   "Isolation",
		"no name":                   "ZeroState",
		"limit before filter":       "Filters",
		"kind ignored":              "Filters",
		"last status only":          "Filters",
		"100 IDs":                   "ManyIDs",
		"order by letters":          "Order",
		"location before order":     "Order",
		"holds its lock":            "UpdateWhileIterating",
		"oldest first":              "History",
		"history by time":           "History",
		"reopens empty":             "Reopen",
	}, func(t *testing.T, flaw string) {
		open := func(*testing.T) etl.ControlStore {
			return &flawed{ControlStore: control.NewMemory(), flaw: flaw, cache: map[string]etl.State{}}
		}
		etltest.ControlStore(t, open, etltest.ReopenControl(func(t *testing.T, s etl.ControlStore) etl.ControlStore {
			if flaw == "reopens empty" {
				return open(t)
			}
			return s
		}))
	})
}
