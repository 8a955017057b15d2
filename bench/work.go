package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sort"
	"strings"

	"github.com/tidemark-data/etl/bench/gen"
)

// target is what a ratio must be at most, and what it aims at.
type target struct {
	Must float64 `json:"must,omitempty"`
	Aim  float64 `json:"aim,omitempty"`
}

// work is one piece of work, which every peer does in its own way.
type work struct {
	name    string
	data    dataset
	base    int64     // rows of the table before; 0 without one
	mode    string    // write mode of the table
	full    bool      // a full load, otherwise changes
	spec    *gen.Spec // the landing file, unless files are given
	files   []landed
	state   string // prepared lake, if it is not that of base
	targets map[string]target
	changes int64
}

// sizes are those of the works.
type sizes struct {
	base, changes, small, full int64
	chicago                    string
}

func (z sizes) works() []work {
	o := orders()
	change := func(name string, n int64, deletes uint64, mode string, targets map[string]target) work {
		s := gen.ChangesOf(2, z.base, n, deletes)
		return work{name: name, data: o, base: z.base, mode: mode, spec: &s, changes: n, targets: targets}
	}
	fullSpec := gen.Spec{Seed: 1, Base: z.full}
	scattered := gen.Spec{Seed: 1, Base: z.full, Scattered: true}
	return []work{
		{name: "full load, " + short(z.full) + " rows", data: o, full: true, spec: &fullSpec, changes: z.full,
			targets: map[string]target{"duckdb": {1.0, 0.8}}},
		{name: "full load, " + short(z.full) + " rows, keys in no order", data: o, full: true, spec: &scattered, changes: z.full,
			targets: map[string]target{"duckdb": {}}},
		change(short(z.changes)+" changes into "+short(z.base)+", merge-on-read", z.changes, 2, "",
			map[string]target{"duckdb": {0.7, 0.5}, "spark": {0.2, 0}}),
		change(short(z.small)+" changes into "+short(z.base)+", merge-on-read", z.small, 2, "",
			map[string]target{"duckdb": {1.0, 0.6}, "spark": {0.2, 0}}),
		change(short(z.changes)+" changes into "+short(z.base)+", copy-on-write", z.changes, 2, "copy-on-write",
			map[string]target{"duckdb": {1.1, 0.85}}),
		change(short(z.small)+" upserts into "+short(z.base), z.small, 0, "", map[string]target{"pyiceberg": {0.02, 0}}),
		change(short(z.changes)+" upserts into "+short(z.base), z.changes, 0, "", map[string]target{"pyiceberg": {0.02, 0}}),
	}
}

func short(n int64) string {
	switch {
	case n >= 1_000_000 && n%100_000 == 0:
		return strings.TrimSuffix(fmt.Sprintf("%.1f", float64(n)/1e6), ".0") + "M"
	case n >= 1_000 && n%100 == 0:
		return strings.TrimSuffix(fmt.Sprintf("%.1f", float64(n)/1e3), ".0") + "k"
	}
	return fmt.Sprint(n)
}

// ready is a work whose files are there.
type ready struct {
	work
	state     string
	baseFiles []string // the table's data files before the work
}

func (c *cache) ready(ctx context.Context, w work) (ready, error) {
	r := ready{work: w, state: w.state}
	var err error
	if w.base > 0 {
		if r.state, err = c.base(ctx, w.base, w.mode); err != nil {
			return r, err
		}
	}
	if w.spec != nil {
		file, err := c.csv(ctx, *w.spec)
		if err != nil {
			return r, err
		}
		r.files = []landed{{name: "20240601-000000000.csv", from: file, at: changesLanded}}
		if w.full {
			r.files[0] = landed{name: "LOAD00000001.csv", from: file, at: fullLanded}
		}
	}
	if r.state == "" {
		return r, nil
	}
	r.baseFiles, err = dataFiles(r.state, w.data)
	return r, err
}

// inputs are the files that the work reads.
func (r ready) inputs() []string {
	in := append([]string{}, r.baseFiles...)
	for _, f := range r.files {
		in = append(in, f.from)
	}
	return in
}

// tidemark runs the work on a fresh copy of the prepared lake.
func (c *cache) tidemark(ctx context.Context, r ready, more loadFlags) (spent, loadReport, error) {
	var rep loadReport
	if err := restore(r.state, c.lake()); err != nil {
		return spent{}, rep, err
	}
	if err := c.land(r.data, r.files); err != nil {
		return spent{}, rep, err
	}
	if err := warm(r.inputs()); err != nil {
		return spent{}, rep, err
	}
	more.Lake, more.Data, more.Mode = c.lake(), r.data.name, r.mode
	u, err := measure(ctx, 0, &rep, c.self, more.args()...)
	u.WorkMS, u.WorkCPUMS = rep.WorkMS, rep.WorkCPUMS
	return u, rep, err
}

// chicagoWorks are the works on real data: a year as a full load, the next as
// changes. They are nil where the data is not there.
func (c *cache) chicagoWorks(ctx context.Context, folder string) ([]work, error) {
	if folder == "" {
		return nil, nil
	}
	days := map[string][]string{}
	for _, year := range []string{"2017", "2018"} {
		archive := filepath.Join(folder, "chicago-crimes", year+".tar.gz")
		if _, err := os.Stat(archive); errors.Is(err, fs.ErrNotExist) {
			return nil, nil
		}
		dir := filepath.Join(c.dir, "data", "chicago-"+year)
		if err := untar(ctx, archive, dir); err != nil {
			return nil, err
		}
		files, err := filepath.Glob(filepath.Join(dir, "*.csv"))
		if err != nil {
			return nil, err
		}
		sort.Strings(files)
		days[year] = files
	}
	d := chicago()
	full := work{name: "Chicago 2017, full load of daily files", data: d, full: true, targets: map[string]target{"duckdb": {}}}
	for i, f := range days["2017"] {
		full.files = append(full.files, landed{name: fmt.Sprintf("LOAD%08X.csv", i+1), from: f, at: fullLanded})
	}
	changes := work{name: "Chicago 2018, changes in daily files", data: d, targets: map[string]target{"duckdb": {}}}
	for _, f := range days["2018"] {
		day := strings.ReplaceAll(strings.TrimSuffix(filepath.Base(f), ".csv"), "-", "")
		changes.files = append(changes.files, landed{name: day + "-000000000.csv", from: f, at: changesLanded})
	}
	changes.state = filepath.Join(c.dir, "states", "chicago")
	if _, err := os.Stat(changes.state); err != nil {
		if _, _, err := c.tidemark(ctx, ready{work: full}, loadFlags{}); err != nil {
			return nil, err
		}
		if err := c.keep(changes.state); err != nil {
			return nil, err
		}
	}
	return []work{full, changes}, nil
}
