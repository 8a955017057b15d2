package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"
)

// peer is another engine that does the works.
type peer struct {
	name   string
	script string
	slow   bool // few pairs and a time limit
	// task returns what the script is told.
	task func(c *cache, r ready) map[string]any
	// prepare restores the peer's own copy of the table.
	prepare func(ctx context.Context, c *cache, p *peers, r ready) error
}

// peerReport is what a peer's script prints.
type peerReport struct {
	WorkMS    float64 `json:"work_ms"`
	WorkCPUMS float64 `json:"work_cpu_ms"`
	Metadata  string  `json:"metadata"`
}

func (c *cache) commonTask(r ready) map[string]any {
	var files []string
	for _, f := range r.files {
		files = append(files, f.from)
	}
	return map[string]any{
		"files": files, "base": r.baseFiles, "columns": r.data.peerColumns(), "key": r.data.table.Key[0],
		"order": r.data.table.OrderBy[0], "op": r.data.table.Op.Column, "header": r.data.format.Header,
		"timestamps": r.data.timestamps, "table": r.data.table.Name, "out": c.peer(),
	}
}

func allPeers() []peer {
	return []peer{
		{name: "duckdb", script: "duck.py", task: func(c *cache, r ready) map[string]any {
			t := c.commonTask(r)
			switch {
			case r.full:
				t["work"] = "full"
			case r.mode != "":
				t["work"] = "rewrite"
			default:
				t["work"] = "merge"
			}
			return t
		}, prepare: func(_ context.Context, c *cache, _ *peers, _ ready) error {
			return restore("", c.peer())
		}},
		{name: "pyiceberg", script: "pyice.py", slow: true, task: func(c *cache, r ready) map[string]any {
			t := c.commonTask(r)
			t["catalog"] = filepath.Join(c.lake(), "warehouse", "catalog.db")
			t["warehouse"] = filepath.Join(c.lake(), "warehouse")
			return t
		}, prepare: func(_ context.Context, c *cache, _ *peers, r ready) error {
			return restore(r.state, c.lake())
		}},
		{name: "spark", script: "sparkmerge.py", slow: true, task: func(c *cache, r ready) map[string]any {
			t := c.commonTask(r)
			t["warehouse"], t["work"] = c.spark(), "merge"
			return t
		}, prepare: prepareSpark},
	}
}

// prepareSpark restores Spark's table, which Spark has made from the same files.
func prepareSpark(ctx context.Context, c *cache, p *peers, r ready) error {
	state := filepath.Join(c.dir, "states", fmt.Sprintf("spark-%d", r.base))
	if _, err := os.Stat(state); err != nil {
		if err := restore("", c.spark()); err != nil {
			return err
		}
		t := c.commonTask(r)
		t["warehouse"], t["work"], t["jar"] = c.spark(), "prepare", p.jar
		var rep peerReport
		if _, err := p.python(ctx, 0, &rep, "sparkmerge.py", t); err != nil {
			return err
		}
		if err := os.Rename(c.spark(), state); err != nil {
			return err
		}
	}
	return restore(state, c.spark())
}

// peers run the peers' scripts.
type peers struct {
	interpreter, scripts, jar string
}

func (p *peers) python(ctx context.Context, limit time.Duration, out any, script string, task map[string]any) (spent, error) {
	arg, err := json.Marshal(task)
	if err != nil {
		return spent{}, err
	}
	return measure(ctx, limit, out, p.interpreter, filepath.Join(p.scripts, script), string(arg))
}

// run does the work once.
func (p *peers) run(ctx context.Context, c *cache, e peer, r ready, limit time.Duration) (u spent, metadata string, err error) {
	if err := e.prepare(ctx, c, p, r); err != nil {
		return u, "", err
	}
	if err := warm(r.inputs()); err != nil {
		return u, "", err
	}
	t := e.task(c, r)
	t["jar"] = p.jar
	var rep peerReport
	u, err = p.python(ctx, limit, &rep, e.script, t)
	u.WorkMS = rep.WorkMS
	if e.name != "spark" { // its work is done by a process that the script cannot see into
		u.WorkCPUMS = rep.WorkCPUMS
	}
	if err != nil { // stopped
		u.WorkMS = u.WallMS
	}
	return u, rep.Metadata, err
}

// sums are row count and checksums of a result.
func (p *peers) sums(ctx context.Context, c *cache, e *peer, r ready, metadata string) ([]string, error) {
	t := c.commonTask(r)
	if e != nil && e.name == "duckdb" {
		t = e.task(c, r)
	} else {
		t["metadata"] = metadata
	}
	var rep struct {
		Sums []string `json:"sums"`
	}
	if _, err := p.python(ctx, 0, &rep, "check.py", t); err != nil {
		return nil, fmt.Errorf("check: %w", err)
	}
	if len(rep.Sums) != len(r.data.table.Columns)+1 {
		return nil, errors.New("check: too few sums")
	}
	return rep.Sums, nil
}
