package etltest

import (
	"cmp"
	"errors"
	"slices"
	"strings"
	"time"

	etl "github.com/tidemark-data/etl"
)

// LedgerFile is a file as the [LedgerModel] sees it.
type LedgerFile struct {
	etl.File
	Kind   etl.LoadKind
	Order  string
	Status etl.FileStatus
	// Epoch is the one that the file was applied in, waits for, or was
	// superseded by; 0 while it is pending.
	Epoch int64
	// Accepted is set once an operator let a change file pass that had failed,
	// as late ones do.
	Accepted bool
	// InTable is set while the table holds the file.
	InTable bool
}

// LedgerModel is the reference model of one table's ledger: which files are
// applied, in which order, and what becomes of the others. It is not safe for
// concurrent use.
type LedgerModel struct {
	// Load applies the files of one load to the table. An error must name the
	// file that is to blame, as [etl.FileError] does.
	Load func(kind etl.LoadKind, files []LedgerFile) error

	table  etl.Table
	layout etl.Layout
	files  map[string]*LedgerFile // by identity
	paused bool

	epoch     int64
	landed    time.Time // of the full load that made epoch
	watermark *LedgerFile
	open      *openLoad
}

type openLoad struct {
	epoch    int64
	landed   time.Time
	complete bool
}

// NewLedgerModel returns the model of a ledger that knows no files. Of the
// declaration it looks at Name, OrderBy, Completion (a quiet period is over at
// the next Drain), Late and MaxBatchFiles.
func NewLedgerModel(table etl.Table, layout etl.Layout, load func(etl.LoadKind, []LedgerFile) error) *LedgerModel {
	return &LedgerModel{Load: load, table: table, layout: layout, files: map[string]*LedgerFile{}}
}

// Register takes notice of files that are reported together. Known ones change
// nothing.
func (l *LedgerModel) Register(files ...etl.File) {
	var fresh []*LedgerFile
	for _, f := range files {
		place, ok := l.layout.Place(f.Location)
		if place.Mixed { // the table has its part of it
			f.Part, place.Table = l.table.Name, l.table.Name
		}
		if _, known := l.files[f.ID()]; known || !ok || place.Table != l.table.Name {
			continue
		}
		lf := &LedgerFile{File: f, Kind: place.Kind, Order: place.Order, Status: etl.Pending}
		l.files[f.ID()] = lf
		fresh = append(fresh, lf)
	}
	slices.SortFunc(fresh, func(a, b *LedgerFile) int { return cmp.Or(a.ModTime.Compare(b.ModTime), compareFiles(a, b)) })
	for _, f := range fresh {
		if f.Kind == etl.Full {
			l.collect(f)
		}
	}
	l.place()
}

// collect puts a file into the open full load, or opens one with it.
func (l *LedgerModel) collect(f *LedgerFile) {
	c := l.table.Completion
	other := slices.IndexFunc(l.members(), func(m *LedgerFile) bool { return m.Location == f.Location })
	switch {
	case other >= 0 && !c.EachFile && f.ModTime.Before(l.members()[other].ModTime):
		f.Status, f.Epoch = etl.Superseded, l.open.epoch // the event of the older content came after
		return
	case other >= 0 && !c.EachFile:
		l.members()[other].Status = etl.Superseded
		l.open.complete = l.open.complete && !quiet(c)
	case l.open == nil:
		l.open = &openLoad{epoch: l.epoch + 1, landed: second(f.ModTime)}
	case l.open.complete || c.EachFile:
		for _, m := range l.members() {
			m.Status = etl.Superseded
		}
		l.open = &openLoad{epoch: l.open.epoch + 1, landed: second(f.ModTime)}
	}
	f.Epoch = l.open.epoch
	if t := second(f.ModTime); t.Before(l.open.landed) {
		l.open.landed = t
	}
	l.open.complete = l.open.complete || c.EachFile || c.Files > 0 && len(l.members()) >= c.Files
}

func quiet(c etl.Completion) bool { return !c.Explicit && !c.EachFile && c.Files == 0 }

// members are the files of the open full load, in order.
func (l *LedgerModel) members() []*LedgerFile {
	return l.sorted(func(f *LedgerFile) bool {
		return l.open != nil && f.Kind == etl.Full && f.Epoch == l.open.epoch &&
			(f.Status == etl.Pending || f.Status == etl.Failed || f.Status == etl.Vanished)
	})
}

// place settles which change files wait and which are overtaken. It depends on
// what is known, not on the order in which it became known.
func (l *LedgerModel) place() {
	for _, f := range l.files {
		waits := f.Status == etl.Pending || f.Status == etl.Deferred ||
			f.Status == etl.Superseded && f.Epoch > l.epoch ||
			f.Status == etl.Applied && f.InTable && l.open != nil && !second(f.ModTime).Before(l.open.landed)
		if f.Kind != etl.Incremental || !waits {
			continue
		}
		f.Status, f.Epoch = etl.Pending, 0
		switch t := second(f.ModTime); {
		case l.open != nil && t.Before(l.open.landed):
			f.Status, f.Epoch = etl.Superseded, l.open.epoch
		case l.open != nil:
			f.Status, f.Epoch = etl.Deferred, l.open.epoch
		case f.InTable:
			f.Status, f.Epoch = etl.Applied, l.epoch
		case !f.Accepted && t.Before(l.landed):
			f.Status, f.Epoch = etl.Superseded, l.epoch
		}
	}
}

// Drain works off what can be worked off.
func (l *LedgerModel) Drain() {
	for !l.paused && l.step() {
	}
}

func (l *LedgerModel) step() bool {
	if l.open != nil {
		l.open.complete = l.open.complete || quiet(l.table.Completion)
		return l.open.complete && l.swap()
	}
	pending := l.sorted(func(f *LedgerFile) bool { return f.Kind == etl.Incremental && f.Status == etl.Pending })
	limit := cmp.Or(l.table.MaxBatchFiles, etl.DefaultMaxBatchFiles)
	batch := pending[:min(len(pending), limit)]
	for _, f := range batch {
		switch {
		case len(l.table.OrderBy) > 0 || l.table.Late == etl.LateApply || f.Accepted || !l.late(f):
		case l.table.Late == etl.LateSetAside:
			f.Status = etl.SetAside
			return true
		default:
			f.Status, l.paused = etl.Failed, true
			return false
		}
	}
	if len(batch) == 0 || !l.load(etl.Incremental, batch) {
		return false
	}
	if last := batch[len(batch)-1]; !l.late(last) {
		l.watermark = last
	}
	return true
}

// late reports whether a file lies below the last change file of the epoch.
func (l *LedgerModel) late(f *LedgerFile) bool {
	return l.watermark != nil && compareFiles(f, l.watermark) < 0
}

func (l *LedgerModel) swap() bool {
	members := l.members()
	if len(members) == 0 {
		return false
	}
	if !l.load(etl.Full, members) {
		return false
	}
	for _, f := range l.files {
		f.InTable = f.Kind == etl.Full && f.Status == etl.Applied && f.Epoch == l.open.epoch
	}
	l.epoch, l.landed, l.open, l.watermark = l.open.epoch, l.open.landed, nil, nil
	l.place()
	return true
}

// load applies files, or fails the one that is to blame and pauses the table.
func (l *LedgerModel) load(kind etl.LoadKind, files []*LedgerFile) bool {
	var values []LedgerFile
	for _, f := range files {
		values = append(values, *f)
	}
	err := l.Load(kind, values)
	l.paused = l.paused || err != nil
	for _, f := range files {
		switch {
		case err == nil:
			f.Status, f.Epoch, f.InTable = etl.Applied, l.epoch, true
			if kind == etl.Full {
				f.Epoch = l.open.epoch
			}
		case f.Location != etl.Diagnose(err, "").File:
		case errors.Is(err, etl.ErrFileVanished):
			f.Status = etl.Vanished
		default:
			f.Status = etl.Failed
		}
	}
	return err == nil
}

// Complete says that the open full load has all its files.
func (l *LedgerModel) Complete() {
	if l.open != nil {
		l.open.complete = true
	}
}

// Pause stops planning.
func (l *LedgerModel) Pause() { l.paused = true }

// Paused reports whether planning is stopped.
func (l *LedgerModel) Paused() bool { return l.paused }

// Resume puts failed files back and starts planning again.
func (l *LedgerModel) Resume() {
	for _, f := range l.failed() {
		f.Status, f.Accepted = etl.Pending, f.Kind == etl.Incremental
	}
	l.paused = false
	l.place()
}

// Skip passes over the failed files and resumes. A full load that failed is
// given up: what it had overtaken or put off is pending again, and files of the
// table that it was to load again are what they were.
func (l *LedgerModel) Skip() {
	failed := l.failed()
	for _, f := range failed {
		f.Status = etl.Skipped
	}
	if slices.ContainsFunc(failed, func(f *LedgerFile) bool { return f.Kind == etl.Full }) {
		for _, f := range l.members() {
			f.Status = etl.Skipped
		}
		for _, f := range l.files {
			if f.Kind == etl.Full && f.InTable {
				f.Status, f.Epoch = etl.Applied, l.epoch
			}
		}
		l.open = nil
	}
	l.paused = false
	l.place()
}

// Reload loads the table again from the full-load files of its epoch and the
// change files that landed since. It returns false if there are none.
func (l *LedgerModel) Reload() bool {
	full := l.sorted(func(f *LedgerFile) bool { return f.Kind == etl.Full && f.InTable })
	if len(full) == 0 {
		return false
	}
	open := &openLoad{epoch: l.epoch + 1, landed: second(full[0].ModTime), complete: true}
	if l.open != nil {
		open.epoch = l.open.epoch + 1
		for _, m := range l.members() {
			m.Status = etl.Superseded
		}
	}
	for _, f := range full {
		f.Status, f.Epoch = etl.Pending, open.epoch
		if t := second(f.ModTime); t.Before(open.landed) {
			open.landed = t
		}
	}
	for _, f := range l.files {
		again := f.Status == etl.Applied || f.Status == etl.Failed || f.Status == etl.Vanished
		if f.Kind == etl.Incremental && again && !second(f.ModTime).Before(open.landed) {
			f.Status = etl.Pending
		}
	}
	l.open, l.paused = open, false
	l.place()
	return true
}

func (l *LedgerModel) failed() []*LedgerFile {
	return l.sorted(func(f *LedgerFile) bool { return f.Status == etl.Failed || f.Status == etl.Vanished })
}

// Epoch is the number of full loads that the table has taken.
func (l *LedgerModel) Epoch() int64 { return l.epoch }

// Files returns what is known of the files, by order and location.
func (l *LedgerModel) Files() []LedgerFile {
	var files []LedgerFile
	for _, f := range l.sorted(func(*LedgerFile) bool { return true }) {
		files = append(files, *f)
	}
	return files
}

func (l *LedgerModel) sorted(which func(*LedgerFile) bool) []*LedgerFile {
	var files []*LedgerFile
	for _, f := range l.files {
		if which(f) {
			files = append(files, f)
		}
	}
	slices.SortFunc(files, compareFiles)
	return files
}

func compareFiles(a, b *LedgerFile) int {
	return cmp.Or(strings.Compare(a.Order, b.Order), strings.Compare(a.Location, b.Location),
		strings.Compare(a.ID(), b.ID()))
}

// second is the resolution at which landing times are compared.
func second(t time.Time) time.Time { return t.Truncate(time.Second) }
