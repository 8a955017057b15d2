package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"
	"time"
)

// comparison runs works against peers.
type comparison struct {
	cache     *cache
	peers     *peers
	pairs     int
	slowPairs int
	limit     time.Duration
	results   string
	out       io.Writer
	// unchecked compares row counts only.
	unchecked bool
	small     int64 // changes of the small change sets
	prepare   bool  // measure nothing
}

// commonFlags are those of every command that measures.
type commonFlags struct {
	cache, results string
	pairs          int
	sizes          sizes
	peers          peers
	only           string
	prepare        bool
}

// parse reads the flags, opens the cache, and compiles which works are wanted.
func (f *commonFlags) parse(fs *flag.FlagSet, args []string) (*cache, *regexp.Regexp, error) {
	if err := fs.Parse(args); err != nil {
		return nil, nil, err
	}
	only, err := regexp.Compile(f.only)
	if err != nil {
		return nil, nil, err
	}
	c, err := openCache(f.cache)
	return c, only, err
}

func (f *commonFlags) register(fs *flag.FlagSet) {
	fs.StringVar(&f.cache, "cache", "bench/.cache", "folder for data and lakes")
	fs.StringVar(&f.results, "o", "bench/results.json", "results; those of other works in it stay")
	fs.IntVar(&f.pairs, "pairs", 5, "interleaved pairs of runs")
	fs.Int64Var(&f.sizes.base, "base", 5_000_000, "rows of the table")
	fs.Int64Var(&f.sizes.changes, "changes", 1_000_000, "changes of the large change sets")
	fs.Int64Var(&f.sizes.small, "small", 10_000, "changes of the small change sets")
	fs.Int64Var(&f.sizes.full, "full", 1_000_000, "rows of the full load")
	fs.StringVar(&f.sizes.chicago, "real", "", "folder that holds chicago-crimes (docs/data.md)")
	fs.StringVar(&f.peers.interpreter, "python", "interop/.cache/venv/bin/python", "Python with the peers")
	fs.StringVar(&f.peers.scripts, "scripts", "bench/peers", "the peers' scripts")
	fs.StringVar(&f.peers.jar, "jar", "interop/.cache/iceberg-spark-runtime.jar", "Iceberg's runtime for Spark")
	fs.StringVar(&f.only, "works", "", "regular expression of the works to do")
	fs.BoolVar(&f.prepare, "prepare", false, "make the data and the lakes, and measure nothing")
}

func peersCommand(ctx context.Context, args []string, out io.Writer) error {
	var f commonFlags
	fs := flag.NewFlagSet("peers", flag.ContinueOnError)
	f.register(fs)
	which := fs.String("peers", "duckdb,pyiceberg,spark", "the peers")
	slowPairs := fs.Int("slow-pairs", 1, "pairs with PyIceberg and Spark")
	limit := fs.Duration("slow-limit", 5*time.Minute, "time limit of one run of those")
	c, only, err := f.parse(fs, args)
	if err != nil {
		return err
	}
	works := f.sizes.works()
	real, err := c.chicagoWorks(ctx, f.sizes.chicago)
	if err != nil {
		return err
	}
	works = append(works, real...)
	cmp := comparison{cache: c, peers: &f.peers, pairs: f.pairs, slowPairs: *slowPairs, limit: *limit, results: f.results, out: out, small: f.sizes.small, prepare: f.prepare}
	for _, p := range allPeers() {
		if !slices.Contains(strings.Split(*which, ","), p.name) {
			continue
		}
		for _, w := range works {
			if t, ok := w.targets[p.name]; ok && only.MatchString(w.name) {
				if err := cmp.do(ctx, w, p, t); err != nil {
					return fmt.Errorf("%s against %s: %w", w.name, p.name, err)
				}
			}
		}
	}
	rs, err := readResults(f.results)
	if err != nil {
		return err
	}
	return table(out, rs)
}

// do measures one work against one peer and stores the result.
func (m *comparison) do(ctx context.Context, w work, p peer, t target) error {
	r, err := m.cache.ready(ctx, w)
	if err != nil {
		return err
	}
	if m.prepare {
		if p.name == "spark" {
			return prepareSpark(ctx, m.cache, m.peers, r)
		}
		return nil
	}
	res := result{Work: w.name, Peer: p.name, target: t}
	reason, ours, err := m.trial(ctx, r, &res)
	if err != nil {
		return err
	}
	if reason != "" {
		res.Note = reason
		fmt.Fprintf(m.out, "%s: skipped: %s\n", w.name, reason)
		return saveResult(m.results, &res)
	}
	err = m.interleave(ctx, r, p, ours, &res)
	if p.slow && errors.Is(err, errFailed) {
		fmt.Fprintln(m.out, err)
		res.Note, err = "the peer failed", nil
	}
	if err != nil {
		return err
	}
	rows := []result{res}
	if p.name == "duckdb" && !w.full && !m.unchecked {
		rows = append(rows, m.alone(w, res)...)
	}
	for i := range rows {
		if err := saveResult(m.results, &rows[i]); err != nil {
			return err
		}
	}
	return table(m.out, rows)
}

// alone are the results that have targets of their own, whatever the peer does.
func (m *comparison) alone(w work, res result) []result {
	own := func(quantity string, value float64, must float64) result {
		return result{
			Work: w.name, Quantity: quantity, Value: value, target: target{Must: must},
			Pairs: res.Pairs, Tidemark: res.Tidemark, Equal: res.Equal, Rows: res.Rows,
		}
	}
	if w.mode != "" || w.base == 0 {
		return nil
	}
	if w.changes == m.small {
		return []result{own("peak MB", megabytes(res.Tidemark), 100)}
	}
	return []result{
		own("peak MB", megabytes(res.Tidemark), 350),
		own("allocations per change", res.AllocationsPerChange, 1),
	}
}

// trial runs the work once, unmeasured, and returns the checksums of what it
// made; or the reason why it cannot be compared.
func (m *comparison) trial(ctx context.Context, r ready, res *result) (reason string, sums []string, err error) {
	_, rep, err := m.cache.tidemark(ctx, r, loadFlags{})
	if err != nil {
		return "", nil, err
	}
	res.Rows = rep.Counts.RowsAfter
	if r.changes > 0 {
		res.AllocationsPerChange = float64(rep.Mallocs) / float64(r.changes)
	}
	file, err := newestMetadata(m.cache.lake(), r.data)
	if err != nil {
		return "", nil, err
	}
	sum, err := summary(file)
	if err != nil {
		return "", nil, err
	}
	if r.mode == "copy-on-write" && sum["total-delete-files"] != "0" {
		return "the sink has no " + modeProperty + " yet: it wrote delete files", nil, nil
	}
	if m.unchecked {
		return "", nil, nil
	}
	sums, err = m.peers.sums(ctx, m.cache, nil, r, file)
	return "", sums, err
}

// interleave runs Tidemark and the peer in turn.
func (m *comparison) interleave(ctx context.Context, r ready, p peer, want []string, res *result) error {
	pairs, limit := m.pairs, time.Duration(0)
	if p.slow {
		pairs, limit = m.slowPairs, m.limit
	}
	var ours, others []spent
	var all []ratios
	for i := range pairs {
		u, rep, err := m.cache.tidemark(ctx, r, loadFlags{})
		if err != nil {
			return err
		}
		if rep.Counts.RowsAfter != res.Rows {
			return fmt.Errorf("%d rows after the load, before it was %d", rep.Counts.RowsAfter, res.Rows)
		}
		o, file, err := m.peers.run(ctx, m.cache, p, r, limit)
		switch {
		case errors.Is(err, errTimeout):
			res.Bound = true
		case err != nil:
			return err
		default:
			if !m.unchecked && (i == 0 || i == pairs-1) {
				if err := m.compare(ctx, p, r, file, want); err != nil {
					return err
				}
				res.Equal = true
			}
		}
		fmt.Fprintf(m.out, "%s  %-45s %s %s  %s %s\n", time.Now().Format("15:04:05"), r.name, "tidemark", seconds(u.WallMS), p.name, seconds(o.WallMS))
		ours, others, all = append(ours, u), append(others, o), append(all, ratiosOf(u, o))
		if res.Bound {
			break
		}
	}
	other := medians(others)
	res.Pairs, res.Tidemark, res.Other = len(ours), medians(ours), &other
	res.Ratio, res.LeastRatio, res.MostRatio = summarize(all)
	return nil
}

// compare checks that the peer's result is the same table.
func (m *comparison) compare(ctx context.Context, p peer, r ready, metadata string, want []string) error {
	got, err := m.peers.sums(ctx, m.cache, &p, r, metadata)
	if err != nil {
		return err
	}
	if !slices.Equal(got, want) {
		return fmt.Errorf("results differ: rows and checksums are %v, of Tidemark %v", got, want)
	}
	return nil
}
