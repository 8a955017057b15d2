package etl

import (
	"context"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
)

// Eraser is an optional ability of a [Sink]: it takes keys out of a table for good,
// as a person's right to erasure asks for (GDPR, article 17). A key may have
// several rows.
type Eraser interface {
	// Erase removes every row with a key of req.Keys from the table as it stands,
	// in one commit, so that no file of the table's present version holds it, not
	// even as a deleted row, and what is remembered of the orders of these keys.
	// Other rows stay as they are, and stay rows of the full load, or of a change,
	// that they were. The commit is no load: Applied and Standing tell of the same
	// loads as before. Done again it changes nothing. It returns an error that wraps
	// ErrStaleFence where the table carries a newer fence than req.Fence.
	Erase(ctx context.Context, target Target, req ErasureRequest) (ErasedRows, error)
	// Purge removes every version of the table but the present one, with the tags
	// and branches that hold older ones, and the files that only those needed.
	// Stagings of loads stay. Readers of older versions fail from then on. It may be
	// ended at any moment, and then be called again.
	Purge(ctx context.Context, target Target, fence int64) (PurgeReport, error)
}

// ErasureRequest is what an [Eraser] is asked to do.
type ErasureRequest struct {
	// Keys are the keys as the table holds them. Only Len, Keys and Find are called.
	Keys *Part
	// Fence is that of the lease under which it runs.
	Fence int64
	// All are the table's erasures, this one included. They are kept with the table,
	// for [Standing]. They hold no key.
	All Erasures
}

// ErasedRows is what an [Eraser] removed from the present version of a table.
type ErasedRows struct {
	// Rows counts the rows that readers saw.
	Rows int64 `json:"rows"`
	// Files counts the data files that were written anew or dropped.
	Files int `json:"files"`
	// Orders counts the remembered orders of keys.
	Orders int `json:"orders"`
	// Snapshot is the version that the commit made; empty where there was nothing to do.
	Snapshot string `json:"snapshot,omitempty"`
}

// PurgeReport is what a purge removed.
type PurgeReport struct {
	Snapshots int `json:"snapshots"`
	Files     int `json:"files"`
	// Refs are the tags and branches of other writers that went.
	Refs []string `json:"refs,omitempty"`
	// Left names files that may be part of another writer's commit under way, and
	// are left to maintenance for that reason.
	Left []string `json:"left,omitempty"`
}

func (p *PurgeReport) add(o PurgeReport) {
	p.Snapshots += o.Snapshots
	p.Files += o.Files
	p.Refs = append(p.Refs, o.Refs...)
	p.Left = o.Left
}

// EraseOptions say how keys are erased.
type EraseOptions struct {
	// Within is how long older versions of the table may still show the keys; zero
	// is not at all: they go at once, and with them the readers of these versions.
	// Drain and Maintain remove them when the time has come.
	Within time.Duration
	// By and Why go into the history. They must not hold values of keys.
	By, Why string
}

// ErasureReport is what an erasure did. It holds no key.
type ErasureReport struct {
	ID string `json:"id"`
	// Keys counts the different keys that were asked for.
	Keys int `json:"keys"`
	ErasedRows
	// Quarantined counts the rows removed from quarantine.
	Quarantined int `json:"quarantined"`
	// Purged is what was removed of older versions; nil while that is due.
	Purged *PurgeReport `json:"purged,omitempty"`
	// Due is when older versions go that are still there.
	Due time.Time `json:"due,omitzero"`
	By  string    `json:"by,omitempty"`
	Why string    `json:"why,omitempty"`
}

// Erasures are the keys that were erased from a table, as hashes.
type Erasures struct {
	// Salt is the table's own, random. The hashes can be tested against guesses of
	// keys by whoever has it: they are pseudonyms, not anonymous (GDPR, recital 26).
	Salt []byte `json:"salt"`
	// List has the latest last.
	List []Erasure `json:"list"`
}

// Erasure are keys that were erased at one time.
type Erasure struct {
	ID string `json:"id"`
	// At is when: rows with these keys are refused in files that landed no later.
	At time.Time `json:"at"`
	// Keys are the first 16 bytes of the HMAC-SHA256 of each key, sorted.
	Keys []byte `json:"keys"`
	// Removed is set once the rows are out of the table's present version and out of
	// quarantine. Until then Erase must be called again.
	Removed bool `json:"removed,omitempty"`
	// Due is when older versions of the table go; zero once they are gone.
	Due time.Time `json:"due,omitzero"`
	// Trouble says what the last purge failed of.
	Trouble string `json:"trouble,omitempty"`
}

// Count is the number of keys.
func (e Erasure) Count() int { return len(e.Keys) / erasedKeySize }

// MaxErasedKeys is how many keys of one table can be erased, over its whole life:
// their hashes stand in the table's state and in the properties of the table.
const MaxErasedKeys = 5000

// Erase removes keys from a table for good: their rows, those in quarantine, and the
// orders remembered of them; then, at once or within opts.Within, every older
// version of the table. keys holds one key a row, in columns with the names and
// declared types of Table.Key; where transforms change keys it holds them as they
// are before. [github.com/tidemark-data/etl/format.Keys] makes it of text.
//
// From then on rows with these keys are refused, and counted as filtered, in files
// that landed before, whatever brings those up: a reload, a retry, a late file. What
// lands later is new data. Files without [File.ModTime] are refused always. A change
// of key into an erased one deletes the old key.
//
// The history keeps who erased how many keys and why, never the keys. Retained are
// hashes under a random salt of the table, in its state and in the table itself, so
// that a ledger that is rebuilt knows them.
//
// It does not reach: the landed files, which are the source's; rows that had another
// key then; bad rows in quarantine whose key could not be read, unless their bytes
// show all parts of the key; copies that others made. Names of partition folders that
// show values of keys may stay behind empty.
//
// It holds the table's lease, and gives up a load that is under way, which is begun
// again by the next Drain. ErrLocked is returned while a job works on the table. After
// any error the call is to be repeated: until then the table's state tells that the
// erasure is not done.
func (r *Runner) Erase(ctx context.Context, table string, keys arrow.RecordBatch, opts EraseOptions) (ErasureReport, error) {
	t, err := r.table(table)
	if err != nil {
		return ErasureReport{}, err
	}
	e, err := r.newErasing(ctx, t, keys, opts)
	if err != nil {
		return ErasureReport{}, err
	}
	err = r.withLease(ctx, table, e.run, nil)
	return e.report, err
}
