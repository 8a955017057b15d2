package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"math"
	"os"
	"runtime"
	"slices"
	"strings"
	"text/tabwriter"
	"time"
)

// result is one work and one peer, or one work of Tidemark alone.
type result struct {
	Work     string `json:"work"`
	Peer     string `json:"peer,omitempty"`
	Pairs    int    `json:"pairs"`
	Tidemark spent  `json:"tidemark"`
	Other    *spent `json:"other,omitempty"`
	// Ratio has the medians of the pairs' ratios, Tidemark to peer; Least and
	// Most are those of the wall time.
	Ratio      *ratios `json:"ratio,omitempty"`
	LeastRatio float64 `json:"least_wall_ratio,omitempty"`
	MostRatio  float64 `json:"most_wall_ratio,omitempty"`
	// Bound says that the peer was stopped at its time limit: the ratios of time are upper bounds.
	Bound bool `json:"bound,omitempty"`
	// Quantity names what Value and the target are about where it is not the ratio of wall time.
	Quantity string  `json:"quantity,omitempty"`
	Value    float64 `json:"value,omitempty"`
	target
	Met *bool `json:"met,omitempty"`
	// Equal says that rows and checksums of all columns were compared.
	Equal bool   `json:"equal"`
	Rows  int64  `json:"rows,omitempty"`
	Note  string `json:"note,omitempty"`

	AllocationsPerChange float64   `json:"allocations_per_change,omitempty"`
	Date                 time.Time `json:"date"`
	Machine              string    `json:"machine"`
}

type ratios struct {
	// Wall, CPU and Peak are those of whole processes.
	Wall float64 `json:"wall"`
	CPU  float64 `json:"cpu"`
	Peak float64 `json:"peak"`
	// Work is that of the wall time of the work alone.
	Work float64 `json:"work"`
}

func ratiosOf(a, b spent) ratios {
	over := func(x, y float64) float64 {
		if y == 0 {
			return 0 // not measured
		}
		return x / y
	}
	return ratios{
		Wall: over(a.WallMS, b.WallMS), CPU: over(a.CPUMS, b.CPUMS), Peak: over(a.PeakMiB, b.PeakMiB),
		Work: over(a.WorkMS, b.WorkMS),
	}
}

// summarize returns the medians, and the least and the greatest ratio of wall time.
func summarize(all []ratios) (m *ratios, least, most float64) {
	pick := func(f func(ratios) float64) (xs []float64) {
		for _, r := range all {
			xs = append(xs, f(r))
		}
		return xs
	}
	walls := pick(func(r ratios) float64 { return r.Wall })
	return &ratios{
		Wall: median(walls), CPU: median(pick(func(r ratios) float64 { return r.CPU })),
		Peak: median(pick(func(r ratios) float64 { return r.Peak })), Work: median(pick(func(r ratios) float64 { return r.Work })),
	}, slices.Min(walls), slices.Max(walls)
}

func (r *result) stamp() {
	r.Date = time.Now().UTC().Truncate(time.Second)
	r.Machine = fmt.Sprintf("%d cores, %s/%s", runtime.NumCPU(), runtime.GOOS, runtime.GOARCH)
	round := func(xs ...*float64) {
		for _, x := range xs {
			*x = math.Round(*x*10000) / 10000
		}
	}
	for _, u := range []*spent{&r.Tidemark, r.Other} {
		if u != nil {
			round(&u.WallMS, &u.CPUMS, &u.PeakMiB, &u.WorkMS, &u.WorkCPUMS)
		}
	}
	if r.Ratio != nil {
		round(&r.Ratio.Wall, &r.Ratio.CPU, &r.Ratio.Peak, &r.Ratio.Work)
	}
	round(&r.LeastRatio, &r.MostRatio, &r.Value, &r.AllocationsPerChange)
	if r.Must > 0 && r.Note == "" {
		value := r.Value
		if r.Quantity == "" && r.Ratio != nil {
			value = max(r.Ratio.Wall, r.Ratio.Work)
		}
		met := value <= r.Must
		if met || !r.Bound {
			r.Met = &met
		}
	}
}

func readResults(file string) ([]result, error) {
	b, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var rs []result
	return rs, json.Unmarshal(b, &rs)
}

// saveResult puts a result in the place of the last one of its work and peer.
func saveResult(file string, r *result) error {
	r.stamp()
	rs, err := readResults(file)
	if err != nil {
		return err
	}
	i := slices.IndexFunc(rs, func(o result) bool { return o.Work == r.Work && o.Peer == r.Peer && o.Quantity == r.Quantity })
	if i < 0 {
		rs = append(rs, *r)
	} else {
		rs[i] = *r
	}
	b, err := json.MarshalIndent(rs, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(file, append(b, '\n'), 0o644)
}

func tableCommand(_ context.Context, args []string, out io.Writer) error {
	fs := flag.NewFlagSet("table", flag.ContinueOnError)
	file := fs.String("o", "bench/results.json", "results")
	if err := fs.Parse(args); err != nil {
		return err
	}
	rs, err := readResults(*file)
	if err != nil {
		return err
	}
	return table(out, rs)
}

// table prints results as a table in Markdown.
func table(out io.Writer, rs []result) error {
	w := tabwriter.NewWriter(out, 0, 0, 1, ' ', 0)
	fmt.Fprintln(w, "| work\t| peer\t| wall\t| CPU\t| peak MiB\t| ratio wall (range)\t| work alone\t| CPU\t| peak\t| must / aim\t| met\t| pairs\t| equal\t|")
	fmt.Fprintln(w, "|"+strings.Repeat(" ---\t|", 13))
	for _, r := range rs {
		fmt.Fprintln(w, r.row())
	}
	return w.Flush()
}

func (r result) row() string {
	two := func(f func(spent) string) string {
		if r.Tidemark.WallMS == 0 {
			return ""
		}
		if r.Other == nil {
			return f(r.Tidemark)
		}
		return f(r.Tidemark) + " / " + f(*r.Other)
	}
	wall, alone, cpu, peak := "", "", "", ""
	if r.Ratio != nil {
		bound := ""
		if r.Bound {
			bound = "< "
		}
		wall = fmt.Sprintf("%s%.3g", bound, r.Ratio.Wall)
		if r.Pairs > 1 {
			wall += fmt.Sprintf(" (%.2f-%.2f)", r.LeastRatio, r.MostRatio)
		}
		alone = fmt.Sprintf("%s%.3g", bound, r.Ratio.Work)
		cpu, peak = fmt.Sprintf("%s%.3g", bound, r.Ratio.CPU), fmt.Sprintf("%.3g", r.Ratio.Peak)
	}
	if r.Quantity != "" {
		wall = fmt.Sprintf("%s: %.3g", r.Quantity, r.Value)
	}
	goal, met := "", ""
	if r.Must > 0 {
		goal = fmt.Sprintf("%.3g", r.Must)
	}
	if r.Aim > 0 {
		goal += fmt.Sprintf(" / %.3g", r.Aim)
	}
	if r.Met != nil {
		met = map[bool]string{true: "yes", false: "**no**"}[*r.Met]
	}
	equal := map[bool]string{true: "yes", false: "-"}[r.Equal]
	if r.Note != "" {
		met, equal = r.Note, ""
	}
	return "| " + strings.Join([]string{r.Work, r.Peer, two(func(u spent) string { return seconds(u.WallMS) }),
		two(func(u spent) string { return seconds(u.CPUMS) }), two(func(u spent) string { return fmt.Sprintf("%.0f", u.PeakMiB) }),
		wall, alone, cpu, peak, goal, met, fmt.Sprint(r.Pairs), equal}, "\t| ") + "\t|"
}

func seconds(ms float64) string {
	if ms < 1000 {
		return fmt.Sprintf("%.0f ms", ms)
	}
	return fmt.Sprintf("%.2f s", ms/1000)
}
