package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/tidemark-data/etl/bench/gen"
)

// When full loads and changes landed: fixed, so that every run sees the same.
var (
	fullLanded    = time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC)
	changesLanded = time.Date(2024, 6, 1, 0, 0, 0, 0, time.UTC)
)

// bytesPerRow is about what a row of the orders table takes in Parquet.
const bytesPerRow = 38

// cache is the folder of everything that the benchmarks make: generated
// files, prepared lakes, and the lake that a measured run works on.
type cache struct {
	dir  string
	self string // this program
}

func openCache(dir string) (*cache, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, err
	}
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	return &cache{dir: dir, self: self}, os.MkdirAll(filepath.Join(dir, "data"), 0o755)
}

// lake is always the same folder, because tables know their own location.
func (c *cache) lake() string  { return filepath.Join(c.dir, "lake") }
func (c *cache) spark() string { return filepath.Join(c.dir, "sparklake") }
func (c *cache) peer() string  { return filepath.Join(c.dir, "peer") }

// csv returns a generated file, making it where it is not there. It is made by
// another process: what this one has held in memory would count as the peak of
// those that it starts.
func (c *cache) csv(ctx context.Context, s gen.Spec) (string, error) {
	name := fmt.Sprintf("full-%d-seed%d.csv", s.Base, s.Seed)
	if s.Changes > 0 {
		name = fmt.Sprintf("changes-%d-of-%d-deletes%d-seed%d.csv", s.Changes, s.Base, s.DeletePercent, s.Seed)
	}
	if s.Scattered {
		name = "scattered-" + name
	}
	file := filepath.Join(c.dir, "data", name)
	if _, err := os.Stat(file); err == nil {
		return file, nil
	}
	args := []string{"gen", "-seed", fmt.Sprint(s.Seed), "-base", fmt.Sprint(s.Base), "-changes", fmt.Sprint(s.Changes),
		"-deletes", fmt.Sprint(s.DeletePercent), fmt.Sprintf("-scattered=%v", s.Scattered), "-o", file + ".part"}
	if err := runQuiet(ctx, c.self, args...); err != nil {
		return "", err
	}
	return file, os.Rename(file+".part", file)
}

// landed is a file put into the landing folder of a lake.
type landed struct {
	name, from string    // linked from
	content    []byte    // or written
	at         time.Time // when it landed
}

func (c *cache) land(d dataset, files []landed) error {
	dir := filepath.Join(c.lake(), "landing", d.folder())
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	for _, f := range files {
		to := filepath.Join(dir, f.name)
		var err error
		if f.from != "" {
			err = os.Link(f.from, to)
		} else {
			err = os.WriteFile(to, f.content, 0o644)
		}
		if err == nil {
			err = os.Chtimes(to, f.at, f.at)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// base returns the prepared lake of the orders table with that many rows.
func (c *cache) base(ctx context.Context, rows int64, mode string) (string, error) {
	state := filepath.Join(c.dir, "states", fmt.Sprintf("orders-%d%s", rows, mode))
	if _, err := os.Stat(state); err == nil {
		return state, nil
	}
	if err := os.RemoveAll(c.lake()); err != nil {
		return "", err
	}
	spec, err := json.Marshal(gen.Spec{Seed: 1, Base: rows})
	if err != nil {
		return "", err
	}
	if err := c.land(orders(), []landed{{name: "LOAD00000001.csv", content: spec, at: fullLanded}}); err != nil {
		return "", err
	}
	l := loadFlags{Lake: c.lake(), Data: "orders", Mode: mode, Made: true, FileBytes: max(rows*bytesPerRow/10, 4<<20), Budget: 8 << 30}
	if err := runQuiet(ctx, c.self, l.args()...); err != nil {
		return "", err
	}
	return state, c.keep(state)
}

// keep moves the lake to where it waits as a prepared state.
func (c *cache) keep(state string) error {
	if err := os.MkdirAll(filepath.Dir(state), 0o755); err != nil {
		return err
	}
	return os.Rename(c.lake(), state)
}

// restore makes folder to what state is: data files are linked, because nobody
// changes them in place, databases are copied.
func restore(state, folder string) error {
	if err := os.RemoveAll(folder); err != nil {
		return err
	}
	if state == "" {
		return os.MkdirAll(folder, 0o755)
	}
	err := filepath.WalkDir(state, func(path string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		to := filepath.Join(folder, strings.TrimPrefix(path, state))
		switch {
		case e.IsDir():
			return os.MkdirAll(to, 0o755)
		case strings.Contains(e.Name(), ".db"):
			b, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			return os.WriteFile(to, b, 0o644)
		}
		return os.Link(path, to)
	})
	syscall.Sync() // what is left to write would be written during the next measurement
	return err
}

// dataFiles are the Parquet files of a lake's table.
func dataFiles(lake string, d dataset) ([]string, error) {
	var out []string
	err := filepath.WalkDir(filepath.Join(lake, "warehouse"), func(path string, e fs.DirEntry, err error) error {
		if err == nil && strings.HasSuffix(path, ".parquet") && strings.Contains(path, "/"+d.name+"/") {
			out = append(out, path)
		}
		return err
	})
	slices.Sort(out)
	return out, err
}

// metadata is what the harness reads of a table's metadata.
type metadata struct {
	Current   int64 `json:"current-snapshot-id"`
	Snapshots []struct {
		ID      int64             `json:"snapshot-id"`
		Summary map[string]string `json:"summary"`
	} `json:"snapshots"`
}

// newestMetadata returns the table's newest metadata file.
func newestMetadata(lake string, d dataset) (string, error) {
	files, err := filepath.Glob(filepath.Join(lake, "warehouse", "*", d.name, "metadata", "*.metadata.json"))
	if err != nil || len(files) == 0 {
		return "", errors.Join(err, errors.New("the table has no metadata"))
	}
	slices.Sort(files)
	return files[len(files)-1], nil
}

// summary returns the summary of the current snapshot.
func summary(file string) (map[string]string, error) {
	b, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	var m metadata
	if err := json.Unmarshal(b, &m); err != nil {
		return nil, err
	}
	for _, s := range m.Snapshots {
		if s.ID == m.Current {
			return s.Summary, nil
		}
	}
	return nil, errors.New("the table has no current snapshot")
}

func runQuiet(ctx context.Context, name string, args ...string) error {
	var ignored json.RawMessage
	_, err := measure(ctx, 0, &ignored, name, args...)
	return err
}
