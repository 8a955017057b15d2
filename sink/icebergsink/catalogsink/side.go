package catalogsink

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"time"

	iceio "github.com/apache/iceberg-go/io"

	"github.com/tidemark-data/etl"
)

// CleanSideFiles removes the side files of a table that none of its retained
// snapshots names and that are older than a day; it returns how many. It is
// meant to run after snapshots have expired, and is safe beside running loads.
func (s *Sink) CleanSideFiles(ctx context.Context, name string) (int, error) {
	return s.cleanSideFiles(ctx, name, sideGrace)
}

// cleanSideFiles leaves what is younger than grace.
func (s *Sink) cleanSideFiles(ctx context.Context, name string, grace time.Duration) (int, error) {
	tbl, err := s.load(ctx, name)
	if err != nil {
		return 0, err
	}
	files, err := tbl.FS(ctx)
	if err != nil {
		return 0, fmt.Errorf("table %s: %w", name, err)
	}
	lister, ok := files.(iceio.ListableIO)
	if !ok {
		return 0, terminal(fmt.Errorf("table %s: its storage cannot be listed", name))
	}
	named := map[string]bool{base(tbl.Properties()[propMemory]): true}
	for _, snap := range tbl.Metadata().Snapshots() {
		if snap.Summary != nil {
			named[base(snap.Summary.Properties[propMemory])] = true
		}
	}
	_, open, err := stagings(tbl.Metadata(), etl.Load{})
	if err != nil {
		return 0, fmt.Errorf("table %s: %w", name, err)
	}
	for _, b := range open {
		for _, e := range b.files {
			named[base(s.sheetPath(tbl.Location(), name, e.run))] = true
		}
	}
	removed := 0
	err = lister.WalkDir(s.sideFolder(tbl.Location(), name), func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || named[base(path)] {
			return err
		}
		info, err := d.Info()
		if err != nil || s.opts.Now().Sub(info.ModTime()) < grace {
			return err
		}
		removed++
		return files.Remove(path)
	})
	if errors.Is(err, fs.ErrNotExist) {
		err = nil
	}
	if err != nil {
		return removed, fmt.Errorf("table %s: side files: %w", name, err)
	}
	return removed, nil
}

// base is the last part of a path; the names of side files are unique.
func base(path string) string { return path[strings.LastIndexByte(path, '/')+1:] }
