package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/big"
	"slices"
	"time"

	"github.com/tidemark-data/etl/bench/gen"
)

// memoryCommand runs loads that are far larger than their budget. Their rows are
// made while they are read. What must be in the tables is computed from
// the specs, by another process and another way.
func memoryCommand(ctx context.Context, args []string, out io.Writer) error {
	f := commonFlags{}
	fs := flag.NewFlagSet("memory", flag.ContinueOnError)
	f.register(fs)
	full := fs.Int64("full-rows", 50_000_000, "rows of the full load; 0 leaves it out")
	changes := fs.Int64("change-rows", 20_000_000, "changes of the change load; 0 leaves it out")
	budget := fs.Int64("budget", 256<<20, "memory budget of the keys, in bytes")
	if err := fs.Parse(args); err != nil {
		return err
	}
	c, err := openCache(f.cache)
	if err != nil {
		return err
	}
	for _, scattered := range []bool{false, true} {
		if *full == 0 {
			break
		}
		s := gen.Spec{Seed: 3, Base: *full, Scattered: scattered}
		w := work{name: fmt.Sprintf("full load, %s rows made on the fly, budget %d MiB", short(*full), *budget>>20), data: orders(), full: true, spec: &s}
		if scattered {
			w.name += ", keys in no order"
		}
		if err := memoryRun(ctx, c, f, w, *budget, target{Must: 512}, out); err != nil {
			return err
		}
	}
	if *changes > 0 {
		s := gen.ChangesOf(3, f.sizes.base, *changes, 2)
		w := work{name: fmt.Sprintf("%s changes made on the fly into %s, budget %d MiB", short(*changes), short(f.sizes.base), *budget>>20),
			data: orders(), base: f.sizes.base, spec: &s}
		if err := memoryRun(ctx, c, f, w, *budget, target{}, out); err != nil {
			return err
		}
	}
	return nil
}

func memoryRun(ctx context.Context, c *cache, f commonFlags, w work, budget int64, t target, out io.Writer) error {
	r := ready{work: w}
	var err error
	if w.base > 0 {
		if r.state, err = c.base(ctx, w.base, ""); err != nil {
			return err
		}
	}
	spec, err := json.Marshal(w.spec)
	if err != nil {
		return err
	}
	r.files = []landed{{name: "20240601-000000000.csv", content: spec, at: changesLanded}}
	if w.full {
		r.files = []landed{{name: "LOAD00000001.csv", content: spec, at: fullLanded}}
	}
	if err := errors.Join(restore(r.state, c.lake()), c.land(r.data, r.files)); err != nil {
		return err
	}
	l := loadFlags{Lake: c.lake(), Data: r.data.name, Made: true, Budget: budget}
	var rep loadReport
	u, err := measure(ctx, 0, &rep, c.self, l.args()...)
	if err != nil {
		return err
	}
	u.WorkMS, u.WorkCPUMS = rep.WorkMS, rep.WorkCPUMS
	fmt.Fprintf(out, "%s  %s: %s, peak %.0f MiB\n", time.Now().Format("15:04:05"), w.name, seconds(u.WallMS), u.PeakMiB)
	var want []string
	if _, err := measure(ctx, 0, &want, c.self, "expect", string(spec)); err != nil {
		return err
	}
	got, err := f.peers.digits(ctx, c, r)
	if err != nil {
		return err
	}
	if !slices.Equal(got, want) {
		return fmt.Errorf("%s: the table is wrong: sums are %v, expected %v", w.name, got, want)
	}
	res := result{
		Work: w.name, Pairs: 1, Tidemark: u, Quantity: "peak MB", Value: megabytes(u), target: t, Equal: true, Rows: rep.Counts.RowsAfter,
		AllocationsPerChange: float64(rep.Mallocs) / float64(w.spec.Rows()),
	}
	if err := saveResult(f.results, &res); err != nil {
		return err
	}
	return table(out, []result{res})
}

// megabytes is the peak in millions of bytes, in which the targets are given.
func megabytes(u spent) float64 { return u.PeakMiB * 1.048576 }

// digits are sums over the table that plain arithmetic can predict.
func (p *peers) digits(ctx context.Context, c *cache, r ready) ([]string, error) {
	file, err := newestMetadata(c.lake(), r.data)
	if err != nil {
		return nil, err
	}
	t := c.commonTask(r)
	t["metadata"], t["arithmetic"] = file, true
	var rep struct {
		Sums []string `json:"sums"`
	}
	_, err = p.python(ctx, 0, &rep, "check.py", t)
	return rep.Sums, err
}

// expectCommand prints what digits must find after the load of a spec on top of
// the base table (seed 1).
func expectCommand(_ context.Context, args []string, out io.Writer) error {
	var s gen.Spec
	if len(args) != 1 {
		return errors.New("expect wants a spec")
	}
	if err := json.Unmarshal([]byte(args[0]), &s); err != nil {
		return err
	}
	e := expectation{sums: make([]big.Int, 10)}
	m := gen.New(s)
	if s.Changes == 0 {
		for i := range s.Base {
			e.add(m.Row(i))
		}
		return json.NewEncoder(out).Encode(e.strings())
	}
	// The last change of each key, by its time, as a number counted from 1.
	last := make([]int32, s.Base+s.Distinct-s.Hits+1)
	for i := range s.Changes {
		id, at := m.Key(i)
		if j := last[id]; j != 0 {
			if _, other := m.Key(int64(j) - 1); other > at {
				continue
			}
		}
		last[id] = int32(i + 1)
	}
	base := gen.New(gen.Spec{Seed: 1, Base: s.Base})
	for id, i := range last {
		switch {
		case i != 0:
			if r := m.Row(int64(i) - 1); r.Op != 'D' {
				e.add(r)
			}
		case id > 0 && int64(id) <= s.Base:
			e.add(base.Row(int64(id) - 1))
		}
	}
	return json.NewEncoder(out).Encode(e.strings())
}

// expectation is the number of rows, and for each column the sum of key times
// what the column's value is modulo a prime.
type expectation struct {
	sums []big.Int
	note []byte
	term big.Int
}

const prime = 1_000_003

func (e *expectation) add(r gen.Row) {
	e.note = r.AppendNote(e.note[:0])
	text := func(s []byte) int64 { return int64(len(s))*1000 + int64(s[len(s)-1]) }
	e.plus(0, 1)
	for i, v := range []int64{
		r.ID, r.UpdatedAt, r.Account, text([]byte(r.Status)), text([]byte(r.Country)), r.Amount,
		int64(r.Quantity), int64(r.Created), text(e.note),
	} {
		e.plus(i+1, r.ID*(v%prime))
	}
}

func (e *expectation) plus(i int, v int64) { e.sums[i].Add(&e.sums[i], e.term.SetInt64(v)) }

func (e *expectation) strings() []string {
	var out []string
	for i := range e.sums {
		out = append(out, e.sums[i].String())
	}
	return out
}
