package etl

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// Outcome is what an error says of the work that it ended.
type Outcome uint8

const (
	// Retry says that nothing happened and it may go better next time (a conflict, a
	// throttled or broken connection).
	Retry Outcome = iota + 1
	// Terminal says that nothing happened and it will not go better by itself (a bad
	// row, a vanished file). The table pauses.
	Terminal
	// Indeterminate says that it may have happened. Neither repeat nor clean up before
	// looking for the load ID.
	Indeterminate
	// Refused says that somebody with a newer fence works on the table. Stop.
	Refused
)

// String returns "retry", "terminal", "unknown" or "refused".
func (o Outcome) String() string {
	switch o {
	case Retry:
		return "retry"
	case Terminal:
		return "terminal"
	case Indeterminate:
		return "unknown"
	case Refused:
		return "refused"
	}
	return "none"
}

// Sentinel errors. Adapters wrap them; [OutcomeOf] knows the outcome of each.
var (
	// ErrConflict: the compare-and-swap lost against a concurrent writer. Retry.
	ErrConflict = errors.New("conflict with a concurrent writer")
	// ErrStaleFence: a newer fence than the caller's is recorded. Refused.
	ErrStaleFence = errors.New("stale fence")
	// ErrLocked: another holder has the lock. Retry, later.
	ErrLocked = errors.New("locked by another holder")
	// ErrUnknownCommit: the outcome of a write is not known. Indeterminate.
	ErrUnknownCommit = errors.New("outcome of the commit is unknown")
	// ErrFileVanished: the file is gone from its source. Terminal.
	ErrFileVanished = errors.New("file vanished")
	// ErrFileChanged: the location holds other content than was registered. Terminal.
	ErrFileChanged = errors.New("file changed since it was registered")
	// ErrNoTable: the name is not that of a configured table. Terminal.
	ErrNoTable = errors.New("no such table")
	// ErrNotFound: the ledger has no such file, or the verb has nothing to act on. Terminal.
	ErrNotFound = errors.New("not found")
	// ErrAccounting: the rows read and what became of them do not add up. Terminal.
	ErrAccounting = errors.New("row accounting does not add up")
)

type outcomeError struct {
	outcome Outcome
	err     error
}

func (e *outcomeError) Error() string { return e.err.Error() }
func (e *outcomeError) Unwrap() error { return e.err }

// WithOutcome returns err with a declared outcome, or nil if err is nil.
func WithOutcome(o Outcome, err error) error {
	if err == nil {
		return nil
	}
	return &outcomeError{o, err}
}

// OutcomeOf returns the outcome of an error: the outermost declared one, else
// that of a sentinel or a [RowError] in its chain, else Retry. Sinks look for
// the load ID before they apply a load, so a retry after an error that nobody
// classified is safe.
func OutcomeOf(err error) Outcome {
	if err == nil {
		return 0
	}
	var oe *outcomeError
	if errors.As(err, &oe) {
		return oe.outcome
	}
	var re *RowError
	switch {
	case errors.Is(err, ErrUnknownCommit):
		return Indeterminate
	case errors.Is(err, ErrStaleFence):
		return Refused
	case errors.As(err, &re), errors.Is(err, ErrFileVanished), errors.Is(err, ErrFileChanged),
		errors.Is(err, ErrNoTable), errors.Is(err, ErrNotFound), errors.Is(err, ErrAccounting), errors.Is(err, ErrContract):
		return Terminal
	default:
		return Retry
	}
}

// RowError is bad input, pinned to its place. It never holds a cell's value.
type RowError struct {
	// File is the location of the file.
	File string
	// Row is the number of the record in the file, counted from 1 without a
	// header; 0 where the whole file is meant.
	Row int64
	// Column is the column's name; empty where the whole row is meant.
	Column string
	// Rule is what was violated, as "not an int" or "key is null".
	Rule string
	// Err is the cause, if there is one. It must not quote the input either.
	Err error
}

// Error reads "row 4711 of path/file.csv: column age: not an int".
func (e *RowError) Error() string {
	var b strings.Builder
	if e.Row > 0 {
		b.WriteString("row " + strconv.FormatInt(e.Row, 10) + " of ")
	}
	b.WriteString(printable(e.File))
	if e.Column != "" {
		b.WriteString(": column " + printable(e.Column))
	}
	b.WriteString(": " + e.Rule)
	if e.Err != nil {
		b.WriteString(": " + e.Err.Error())
	}
	return b.String()
}

func (e *RowError) Unwrap() error { return e.Err }

// printable returns s itself where it is plain text, else quoted, so that a
// hostile name cannot forge log lines.
func printable(s string) string {
	for _, r := range s {
		if !strconv.IsPrint(r) {
			return strconv.Quote(s)
		}
	}
	return s
}

// Diagnosis is why a table is paused or a load did not go through.
type Diagnosis struct {
	// Cause is the error's text. It holds no cell values.
	Cause string `json:"cause"`
	// File, Row, Column and Rule place bad input; empty where they do not apply.
	File   string `json:"file,omitempty"`
	Row    int64  `json:"row,omitempty"`
	Column string `json:"column,omitempty"`
	Rule   string `json:"rule,omitempty"`
	// LoadID is the load that failed, if one did.
	LoadID string `json:"load_id,omitempty"`
}

// String returns the cause.
func (d Diagnosis) String() string { return d.Cause }

// Diagnose describes err.
func Diagnose(err error, loadID string) Diagnosis {
	d := Diagnosis{Cause: err.Error(), LoadID: loadID}
	var re *RowError
	var null *nullFound
	if errors.As(err, &null) {
		re = null.at
	}
	if re != nil || errors.As(err, &re) {
		d.File, d.Row, d.Column, d.Rule = re.File, re.Row, re.Column, re.Rule
	}
	var fe *FileError
	if d.File == "" && errors.As(err, &fe) {
		d.File = fe.File
	}
	return d
}

// FileError is an error met while working on one file.
type FileError struct {
	File string // location
	Err  error
}

func (e *FileError) Error() string { return fmt.Sprintf("%s: %v", printable(e.File), e.Err) }
func (e *FileError) Unwrap() error { return e.Err }

func canceled(err error) bool {
	return errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded)
}
