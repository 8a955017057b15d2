package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/tidemark-data/etl/bench/gen"
)

// numbers is a flag of sizes separated by commas.
type numbers []int64

func (n *numbers) String() string { return fmt.Sprint([]int64(*n)) }

func (n *numbers) Set(s string) error {
	*n = nil
	for _, part := range strings.Split(s, ",") {
		v, err := strconv.ParseInt(part, 10, 64)
		if err != nil || v <= 0 {
			return errors.New("want sizes separated by commas")
		}
		*n = append(*n, v)
	}
	return nil
}

// slopeChanges is the change set at which the CPU time per million base rows is told.
const slopeChanges = 10_000

func growthCommand(ctx context.Context, args []string, out io.Writer) error {
	f := commonFlags{}
	bases, changes := numbers{1_000_000, 5_000_000, 20_000_000}, numbers{1_000, 10_000, 100_000, 1_000_000}
	fs := flag.NewFlagSet("growth", flag.ContinueOnError)
	f.register(fs)
	fs.Var(&bases, "bases", "rows of the tables")
	fs.Var(&changes, "change-sets", "changes")
	pictures := fs.String("pictures", "docs/img", "folder for the pictures")
	if err := fs.Parse(args); err != nil {
		return err
	}
	c, err := openCache(f.cache)
	if err != nil {
		return err
	}
	cmp := comparison{cache: c, peers: &f.peers, pairs: f.pairs, results: f.results, out: out, unchecked: true, prepare: f.prepare}
	for _, b := range bases {
		for _, n := range changes {
			s := gen.ChangesOf(2, b, n, 2)
			w := work{name: growthName(n, b), data: orders(), base: b, spec: &s, changes: n}
			if err := cmp.do(ctx, w, allPeers()[0], target{}); err != nil {
				return fmt.Errorf("%s: %w", w.name, err)
			}
		}
	}
	if f.prepare {
		return nil
	}
	rs, err := readResults(f.results)
	if err != nil {
		return err
	}
	if err := slope(f.results, rs, bases); err != nil {
		return err
	}
	return growthPictures(*pictures, rs, bases, changes)
}

func growthName(changes, base int64) string {
	return fmt.Sprintf("growth: %s changes into %s", short(changes), short(base))
}

func growthOf(rs []result, changes, base int64) (result, bool) {
	for _, r := range rs {
		if r.Work == growthName(changes, base) {
			return r, true
		}
	}
	return result{}, false
}

// slope fits a line to the CPU time of small loads over the size of the table.
func slope(file string, rs []result, bases []int64) error {
	var n, sx, sy, sxx, sxy float64
	for _, b := range bases {
		if r, ok := growthOf(rs, slopeChanges, b); ok {
			x, y := float64(b)/1e6, r.Tidemark.CPUMS
			n, sx, sy, sxx, sxy = n+1, sx+x, sy+y, sxx+x*x, sxy+x*y
		}
	}
	if n < 2 {
		return nil
	}
	return saveResult(file, &result{
		Work: "10k changes, over the size of the table", Quantity: "CPU ms per million base rows",
		Value: (n*sxy - sx*sy) / (n*sxx - sx*sx), target: target{Must: 15}, Pairs: int(n),
	})
}

func growthPictures(folder string, rs []result, bases, changes []int64) error {
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return err
	}
	wall := chart{title: "Changes into a table: time", x: "changes", y: "wall time, ms"}
	peak := chart{title: "Changes into a table: memory", x: "changes", y: "peak resident size, MiB"}
	for i, b := range bases {
		w, d, p := curve{name: short(b) + " rows", color: i}, curve{name: short(b) + ", DuckDB", color: i, dashed: true}, curve{name: short(b) + " rows", color: i}
		pd := d
		for _, n := range changes {
			r, ok := growthOf(rs, n, b)
			if !ok || r.Other == nil {
				continue
			}
			w.points = append(w.points, [2]float64{float64(n), r.Tidemark.WallMS})
			d.points = append(d.points, [2]float64{float64(n), r.Other.WallMS})
			p.points = append(p.points, [2]float64{float64(n), r.Tidemark.PeakMiB})
			pd.points = append(pd.points, [2]float64{float64(n), r.Other.PeakMiB})
		}
		wall.curves, peak.curves = append(wall.curves, w, d), append(peak.curves, p, pd)
	}
	cpu := chart{title: "Small change sets: CPU time over the size of the table", x: "rows of the table", y: "CPU time, ms"}
	for i, n := range changes {
		c, d := curve{name: short(n) + " changes", color: i}, curve{name: short(n) + ", DuckDB", color: i, dashed: true}
		for _, b := range bases {
			if r, ok := growthOf(rs, n, b); ok && r.Other != nil {
				c.points = append(c.points, [2]float64{float64(b), r.Tidemark.CPUMS})
				d.points = append(d.points, [2]float64{float64(b), r.Other.CPUMS})
			}
		}
		cpu.curves = append(cpu.curves, c, d)
	}
	return errors.Join(
		wall.write(filepath.Join(folder, "growth-time.svg")),
		peak.write(filepath.Join(folder, "growth-memory.svg")),
		cpu.write(filepath.Join(folder, "growth-cpu.svg")),
	)
}
