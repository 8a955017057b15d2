package icebergsink_test

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/tidemark-data/etl"
)

// course is how a run of loads, maintenance and readers went over time.
type course struct {
	mu       sync.Mutex
	began    time.Time
	loads    []time.Duration // when, from the beginning
	rounds   []round
	scans    []scanned
	outlived int // scans that took longer than snapshots are kept
	failures []error
	commits  int
	freed    int
}

type round struct {
	at            time.Duration
	before, after etl.TableShape
}

type scanned struct{ at, took time.Duration }

func (c *course) load() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.loads = append(c.loads, time.Since(c.began))
}

func (c *course) maintained(rep etl.MaintainReport) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.rounds = append(c.rounds, round{time.Since(c.began), rep.Before, rep.After})
	c.commits, c.freed = c.commits+len(rep.Commits), c.freed+rep.FreedFiles
}

func (c *course) scanned(took time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.scans = append(c.scans, scanned{time.Since(c.began), took})
}

func (c *course) failed(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.failures = append(c.failures, err)
}

// most is the widest shape that any round left behind.
func (c *course) most() (most etl.TableShape) {
	for _, r := range c.rounds {
		most = widest(most, r.after)
	}
	return most
}

// String is a table with a line for each tenth of the run.
func (c *course) String() string {
	const tenths = 10
	all := time.Since(c.began)
	if n := len(c.loads); n > 0 {
		all = c.loads[n-1]
	}
	tenth := func(at time.Duration) int { return min(int(at*tenths/max(all, 1)), tenths-1) }
	var loads, rounds [tenths]int
	var shape [tenths]etl.TableShape
	var reads [tenths][]time.Duration
	for _, at := range c.loads {
		loads[tenth(at)]++
	}
	for _, r := range c.rounds {
		rounds[tenth(r.at)]++
		shape[tenth(r.at)] = widest(shape[tenth(r.at)], r.before)
	}
	for _, s := range c.scans {
		reads[tenth(s.at)] = append(reads[tenth(s.at)], s.took)
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%d loads, %d maintenance rounds with %d commits and %d files freed, %d scans, %d failures in %.1f s\n",
		len(c.loads), len(c.rounds), c.commits, c.freed, len(c.scans), len(c.failures), all.Seconds())
	b.WriteString("tenth  loads  rounds  scans  read ms (median)  data files (most)  delete files  manifests  snapshots\n")
	for i := range tenths {
		slices.Sort(reads[i])
		median := "-"
		if n := len(reads[i]); n > 0 {
			median = fmt.Sprintf("%.1f", float64(reads[i][n/2].Microseconds())/1000)
		}
		fmt.Fprintf(&b, "%5d %6d %7d %6d %17s %18d %13d %10d %10d\n", i+1, loads[i], rounds[i], len(reads[i]), median,
			shape[i].DataFiles, shape[i].DeleteFiles, shape[i].Manifests, shape[i].Snapshots)
	}
	return b.String()
}
