package etl

import "time"

// Observer is told what a Runner does. Every field may be nil. The functions
// are called from the goroutines that work, so they must be quick and safe for
// concurrent use. What they are told holds no cell values.
type Observer struct {
	// Registered is called for each file that is new to the ledger.
	Registered func(FileRecord)
	// LoadPlanned is called before work on a load begins.
	LoadPlanned func(Load)
	// LoadApplied is called when a load is in the table and in the ledger.
	LoadApplied func(Load, Receipt, time.Duration)
	// LoadFailed is called when an attempt at a load did not go through.
	// retryIn is how long until the next attempt; negative if there is none.
	LoadFailed func(l Load, err error, attempt int, retryIn time.Duration)
	// Quarantined is called for a load of which rows were set aside, after its commit,
	// and for each such file of a staged load. The rows come without their bytes.
	Quarantined func(l Load, rows []BadRow)
	// Checked is called for each verdict of the table's checks: after LoadApplied, when
	// a load was held back, and for each file of a staged load.
	Checked func(Load, Checked)
	// Evolved is called after LoadApplied for each change that the load made to the
	// table's columns.
	Evolved func(Load, SchemaChange)
	// Paused is called when a table is paused.
	Paused func(table string, d Diagnosis)
	// Staged is called for each file of a staged load that this process has staged,
	// with how many of how many are.
	Staged func(l Load, f StagedFile, done, total int)
	// Progress is called now and then while rows are read: which pass over the
	// file (1 keys, 2 rows), and how many rows of it have been read.
	Progress func(l Load, location string, pass int, rows int64)
}
