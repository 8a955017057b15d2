package etltest

import (
	"fmt"
	"maps"
	"slices"
	"time"

	etl "github.com/tidemark-data/etl"
)

// StepKind is what happens in a [Step] of a [History].
type StepKind string

// The kinds of steps.
const (
	StepLand     StepKind = "land"     // files land at the source, unnoticed
	StepVanish   StepKind = "vanish"   // a file is deleted from the source
	StepRegister StepKind = "register" // events are registered, nothing more
	StepEvent    StepKind = "event"    // events are registered and the table is drained
	StepIngest   StepKind = "ingest"   // the source is listed and the table is drained
	StepPause    StepKind = "pause"    // an operator's verbs, each followed by a drain
	StepResume   StepKind = "resume"
	StepRetry    StepKind = "retry"
	StepSkip     StepKind = "skip"
	StepReload   StepKind = "reload"
	StepComplete StepKind = "complete"
	StepRestart  StepKind = "restart" // a new Runner over the same stores
)

// Step is one thing that happens in a [History].
type Step struct {
	Kind StepKind
	// Land are the files that land, with their time of landing.
	Land []Landing
	// Events are locations in the order in which they are reported, some more
	// than once; or [FileKey]s, of content that may be there no longer.
	Events []string
	// Gone is the location of a file that vanishes.
	Gone string
	// FaultAt, if not 0, is the injector point at which the step fails, and
	// Crash says whether the process dies there. The step is then repeated
	// until it succeeds.
	FaultAt int
	Crash   bool
}

// Landing is content that lands at a location.
type Landing struct {
	Location string
	Content  []byte
	At       time.Time
	// Rows is what the content says; nil if it is bad.
	Rows []Change
	Bad  bool
}

// String describes the step on one line, with the files' content.
func (s Step) String() string {
	text := string(s.Kind)
	for _, l := range s.Land {
		text += fmt.Sprintf("\n    %s at %s: %q", l.Location, l.At.Format("15:04:05.000"), l.Content)
	}
	if len(s.Events) > 0 {
		text += fmt.Sprint(" ", s.Events)
	}
	if s.FaultAt > 0 {
		text += fmt.Sprintf(" (fault at point %d, crash %v)", s.FaultAt, s.Crash)
	}
	return text
}

// History is a random history of one table: what lands, what is noticed when,
// what operators do and where the process fails. The same seed gives the same
// history.
type History struct {
	Seed  int64
	Table etl.Table
	// FullColumns and ChangeColumns name the fields of the CSV files, which
	// have no header. Null is NULL; NoSupply stands for a value not supplied.
	FullColumns, ChangeColumns []string
	NoSupply                   string
	// Keep, if not nil, is the table's filter on rows in Go values.
	Keep  func(row []any) bool
	Steps []Step
}

// Models follow a history by the reference models.
type Models struct {
	Table  *Model
	Ledger *LedgerModel
	// Present are the files at the source, by location.
	Present map[string]etl.File

	landed map[string]Landing  // by FileKey
	files  map[string]etl.File // by FileKey
}

// Models returns the models before the first step.
func (h *History) Models(layout etl.Layout) *Models {
	m := &Models{Table: NewModel(h.Table), Present: map[string]etl.File{}, landed: map[string]Landing{}, files: map[string]etl.File{}}
	m.Table.Filter = h.Keep
	m.Ledger = NewLedgerModel(h.Table, layout, m.load)
	return m
}

// load applies files to the model of the table; it fails at a file that is bad
// or no longer there as it was.
func (m *Models) load(kind etl.LoadKind, files []LedgerFile) error {
	var rows []Change
	m.Table.Landed = time.Time{}
	for _, f := range files {
		if f.ModTime.After(m.Table.Landed) {
			m.Table.Landed = f.ModTime
		}
		switch now, there := m.Present[f.Location]; {
		case !there:
			return &etl.FileError{File: f.Location, Err: etl.ErrFileVanished}
		case now.ID() != f.Object().ID():
			return &etl.FileError{File: f.Location, Err: etl.ErrFileChanged}
		case m.landed[FileKey(f.File)].Bad:
			return &etl.RowError{File: f.Location, Rule: "bad"}
		case len(m.Rows(f.File)) == 0 && !m.Table.table.AllowEmpty:
			return &etl.RowError{File: f.Location, Rule: "file has no rows"}
		}
		rows = append(rows, m.Rows(f.File)...)
	}
	_, err := m.Table.Load(kind, rows...)
	return err
}

// Rows returns what the content of a file says.
func (m *Models) Rows(f etl.File) []Change { return m.landed[FileKey(f)].Rows }

// FileKey tells files of a history apart: by location and time of landing.
func FileKey(f etl.File) string { return f.Location + "@" + f.ModTime.UTC().Format("15:04:05.000000") }

// Step takes one step of the history.
func (m *Models) Step(s Step) {
	for _, l := range s.Land {
		f := etl.File{Location: l.Location, ETag: fmt.Sprintf("%q", l.Content), Size: int64(len(l.Content)), ModTime: l.At}
		m.Present[l.Location], m.files[FileKey(f)] = f, f
		l.Rows = slices.Clone(l.Rows)
		for i := range l.Rows {
			l.Rows[i].Landed = l.At
		}
		m.landed[FileKey(f)] = l
	}
	delete(m.Present, s.Gone)
	var seen []etl.File
	for _, e := range s.Events {
		f, there := m.Present[e]
		if !there {
			f = m.files[e]
		}
		seen = append(seen, f)
	}
	if s.Kind == StepIngest {
		seen = slices.Collect(maps.Values(m.Present))
	}
	m.Ledger.Register(seen...)
	switch s.Kind {
	case StepLand, StepVanish, StepRegister, StepRestart:
		return
	case StepPause:
		m.Ledger.Pause()
	case StepResume, StepRetry:
		m.Ledger.Resume()
	case StepReload:
		m.Ledger.Reload()
	case StepSkip:
		m.Ledger.Skip()
	case StepComplete:
		m.Ledger.Complete()
	}
	m.Ledger.Drain()
}
