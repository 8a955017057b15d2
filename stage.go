package etl

import (
	"cmp"
	"context"
)

// Stager is an optional ability of a [Sink]: full loads too big for one run are
// written file by file, where no reader sees them, and published at once.
//
// Between Prepare and Publish any number of processes may stage files of a load
// side by side. What is staged of a file depends on the load and the file alone,
// so a file that two processes stage is in the staging once.
type Stager interface {
	// Prepare opens the staging of a load. Stagings of other loads of the table
	// are removed, with their files. What is staged of this load stays. It
	// returns an error that wraps ErrStaleFence where the table carries a newer
	// fence than load.Fence.
	Prepare(ctx context.Context, target Target, load Load) error
	// Stage writes the rows of file i of the load, of each key the latest one in
	// the file, and what [Resolution.Sheet] tells. changes are those of that file
	// alone ([StageChanges]). It returns an error that wraps ErrNotFound where the
	// staging is not open (any more).
	Stage(ctx context.Context, target Target, load Load, i int, changes *Changes) (StagedFile, error)
	// Staged returns the files staged, in the load's order; none where the
	// staging is not open.
	Staged(ctx context.Context, target Target, load Load) ([]StagedFile, error)
	// Publish settles keys that are in several files, checks the rows, and makes
	// the staging the table, in one atomic step that carries what [Sink.Apply]'s
	// does. If the table carries load.ID already it changes nothing. It returns an
	// error that wraps ErrNotFound where not all files are staged.
	Publish(ctx context.Context, target Target, load Load) (Receipt, error)
	// Discard removes all stagings of the table with their files. A load that
	// was being staged cannot be published any more.
	Discard(ctx context.Context, target Target) error
}

// StagedFile is a file of a load that is staged.
type StagedFile struct {
	// Index is the file's in the load, ID its identity.
	Index int
	ID    string
	// Counts account for the file's rows by itself: Read, Inserted, Superseded,
	// Unchanged, Filtered and Quarantined.
	Counts Counts
	// Bytes and Files are what was written.
	Bytes int64
	Files int
	// Found is set by Stage where the file was staged already.
	Found bool
}

// Staging says which full loads are staged file by file.
type Staging struct {
	// Mode is StageAuto if empty.
	Mode StageMode
	// MinBytes and MinFiles are from which size on StageAuto stages; zero is 4 GiB
	// and 1000 files.
	MinBytes int64
	MinFiles int
	// Workers is how many files one process stages side by side; zero is 2.
	Workers int
}

// StageMode says whether full loads are staged.
type StageMode string

// The modes of staging.
const (
	StageAuto   StageMode = "auto" // by size
	StageAlways StageMode = "always"
	StageNever  StageMode = "never"
)

// FullLoadMode says what a full load does to the table.
type FullLoadMode string

// The modes of full loads.
const (
	// FullReplace swaps the table's content for the full load's: the default, but for
	// ModeHistory.
	FullReplace FullLoadMode = "replace"
	// FullDifference compares the full load with the table and commits what
	// differs, so that who reads the table's changes sees what really changed. In a
	// table of ModeHistory, whose default it is, keys that differ get another version,
	// and those that the full load lacks a deleted one, as of when its last file landed.
	FullDifference FullLoadMode = "difference"
)

const (
	stageBytes   = 4 << 30
	stageFiles   = 1000
	stageWorkers = 2
)

func (s Staging) withDefaults() Staging {
	s.Mode = cmp.Or(s.Mode, StageAuto)
	s.MinBytes = cmp.Or(s.MinBytes, stageBytes)
	s.MinFiles = cmp.Or(s.MinFiles, stageFiles)
	s.Workers = cmp.Or(s.Workers, stageWorkers)
	return s
}

func (s Staging) check(p *problems) {
	switch s.Mode {
	case "", StageAuto, StageAlways, StageNever:
	default:
		p.add("staging %q is not auto, always or never", string(s.Mode))
	}
	if s.MinBytes < 0 || s.MinFiles < 0 || s.Workers < 0 {
		p.add("staging: limits must not be negative")
	}
}

// stages reports whether a full load of the files is staged.
func (t Table) stages(files []File) bool {
	s := t.Staging.withDefaults()
	if s.Mode == StageNever || t.FullLoads == FullDifference || t.Format != nil && t.Format.Partial(Full) || t.stageable() != nil {
		return false
	}
	var bytes int64
	for _, f := range files {
		bytes += f.Size
	}
	return s.Mode == StageAlways || bytes >= s.MinBytes || len(files) >= s.MinFiles
}
