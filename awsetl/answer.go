package awsetl

import (
	"time"

	"github.com/tidemark-data/etl"
)

// Answer is what an event came to, or an operator's verb. Durations are in seconds.
type Answer struct {
	Verb  string `json:"verb,omitempty"`
	Table string `json:"table,omitempty"`
	// Error is why the verb failed; Outcome is what that says (etl.Outcome).
	Error   string `json:"error,omitempty"`
	Outcome string `json:"outcome,omitempty"`

	// Listed counts the files that the source showed, Registered those that are
	// new to the ledger.
	Listed     int `json:"listed,omitempty"`
	Registered int `json:"registered,omitempty"`
	// Tables are those that were drained.
	Tables []TableAnswer `json:"tables,omitempty"`

	// Status, Entries, Decisions and Maintenance answer status, history, plan
	// and maintain.
	Status      []StatusAnswer            `json:"status,omitempty"`
	Entries     []EntryAnswer             `json:"entries,omitempty"`
	Decisions   map[string]DecisionAnswer `json:"decisions,omitempty"`
	Maintenance *etl.MaintainReport       `json:"maintenance,omitempty"`
}

// StatusAnswer is where a table stands.
type StatusAnswer struct {
	Table string `json:"table"`
	etl.TableStatus
	Lag        *struct{} `json:"lag,omitempty"` // hides that of TableStatus
	LagSeconds float64   `json:"lag_seconds"`
}

// EntryAnswer is a line of a table's history.
type EntryAnswer struct {
	etl.Entry
	Took        *struct{} `json:"took,omitempty"` // hides that of Entry
	TookSeconds float64   `json:"took_seconds,omitempty"`
}

// DecisionAnswer is what comes next for a table.
type DecisionAnswer struct {
	etl.Decision
	Wait        *struct{} `json:"wait,omitempty"` // hides that of Decision
	WaitSeconds float64   `json:"wait_seconds,omitempty"`
}

// TableAnswer is what draining a table came to.
type TableAnswer struct {
	Table  string       `json:"table"`
	Loads  []LoadAnswer `json:"loads,omitempty"`
	Reason string       `json:"reason"`
	// WaitSeconds is after what time the table may go on by itself.
	WaitSeconds float64 `json:"wait_seconds,omitempty"`
	// Woken is set where another invocation was asked to go on.
	Woken bool   `json:"woken,omitempty"`
	Error string `json:"error,omitempty"`
}

// LoadAnswer is a load that was applied.
type LoadAnswer struct {
	ID          string       `json:"id"`
	Kind        etl.LoadKind `json:"kind"`
	Epoch       int64        `json:"epoch"`
	Files       int          `json:"files"`
	Counts      etl.Counts   `json:"counts"`
	Snapshot    string       `json:"snapshot"`
	Committed   time.Time    `json:"committed"`
	TookSeconds float64      `json:"took_seconds"`
}

func newTableAnswer(rep etl.TableReport) TableAnswer {
	a := TableAnswer{Table: rep.Table, Reason: rep.Reason, WaitSeconds: rep.Wait.Seconds()}
	if rep.Err != nil {
		a.Error = rep.Err.Error()
	}
	for _, l := range rep.Loads {
		a.Loads = append(a.Loads, newLoadAnswer(l))
	}
	return a
}

func newLoadAnswer(l etl.AppliedLoad) LoadAnswer {
	return LoadAnswer{
		ID: l.Load.ID, Kind: l.Load.Kind, Epoch: l.Load.Epoch, Files: len(l.Load.Files), Counts: l.Receipt.Counts,
		Snapshot: l.Receipt.Snapshot, Committed: l.Receipt.Committed, TookSeconds: l.Took.Seconds(),
	}
}
