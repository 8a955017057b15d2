package etl

import (
	"context"
	"iter"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
)

// Check looks at the rows that a load is about to write, after all transforms, and
// at its counts, before the commit. Implementations are safe for concurrent use.
type Check interface {
	// Name names the check in verdicts and errors.
	Name() string
	// Begin starts the check of one load. An error is one of configuration.
	Begin(ctx context.Context, scope CheckScope) (Checker, error)
}

// CheckValidator is an optional ability of a [Check]: Validate tells what is wrong
// with it for a table, before any load.
type CheckValidator interface {
	Validate(target Target) error
}

// CheckSpan is how much of a load a check must see to judge it.
type CheckSpan uint8

// The spans of checks.
const (
	SpanLoad   CheckSpan = iota // all rows of the load
	SpanRow                     // rows one by one
	SpanCounts                  // the load's counts, and no rows
)

// CheckSpanner is an optional ability of a [Check]: Span says how much of a load it
// must see; without it that is SpanLoad. Full loads that are staged file by file are
// judged by checks of SpanRow as each file is staged, and by those of SpanCounts
// before they are published. Those of tables with a check of SpanLoad are not staged.
type CheckSpanner interface {
	Span() CheckSpan
}

// Checker checks one load. It is used by one goroutine at a time, and closed in the
// end if it is an [io.Closer].
type Checker interface {
	// Rows looks at a batch of rows. It returns the indexes of those that it
	// refuses, rising; nil if it takes them all.
	Rows(ctx context.Context, batch arrow.RecordBatch) (refused []int, err error)
	// Verdict is called after the last batch. Of counts those of the table's rows
	// are zero.
	Verdict(ctx context.Context, counts Counts) (Verdict, error)
}

// CheckScope is what a check may know.
type CheckScope struct {
	Load   Load
	Target Target
	// Now is when the load began.
	Now time.Time
	// Past are the receipts of the table's last loads, newest first.
	Past []PastLoad
	// Tables lets other tables be read; nil where the sink is no [Scanner].
	Tables Scanner
	// TempDir is the folder for temporary files; empty is os.TempDir().
	TempDir string
}

// Scanner is an optional ability of a [Sink]: Scan yields the rows of a table as it
// is, at least the named columns or, where none are named, all; none where there is
// no table. Columns are found by name, in no particular order. A batch is valid until
// the next one is asked for, or longer if it is retained.
type Scanner interface {
	Scan(ctx context.Context, table string, columns ...string) iter.Seq2[arrow.RecordBatch, error]
}

// PastLoad is a load of before.
type PastLoad struct {
	Kind    LoadKind
	Receipt Receipt
}

// Verdict is what a check finds.
type Verdict struct {
	OK bool `json:"ok"`
	// Finding says in a line what was found, in figures and never with values of
	// the rows.
	Finding string `json:"finding"`
	// Column is the column that was looked at, if it is one.
	Column string `json:"column,omitempty"`
}

// Checked is the verdict of a check on a load, and what followed.
type Checked struct {
	Check  string      `json:"check"`
	Action CheckAction `json:"action"`
	Verdict
}

// CheckAction is what follows when a check does not hold.
type CheckAction string

// The actions of a check.
const (
	CheckPause      CheckAction = "pause"      // the load fails and the table pauses
	CheckWarn       CheckAction = "warn"       // the history and the observer are told
	CheckQuarantine CheckAction = "quarantine" // refused rows are set aside; else as pause
)

// TableCheck is a check and what follows from it.
type TableCheck struct {
	Check Check
	// Action is CheckPause if empty.
	Action CheckAction
}
