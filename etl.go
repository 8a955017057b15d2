package etl

import (
	"context"
	"iter"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
)

// Source is where files land. Implementations are safe for concurrent use.
type Source interface {
	// List yields every file that is there now, in no particular order. An
	// error ends the listing; what was yielded before it is still true.
	List(ctx context.Context) iter.Seq2[File, error]
	// Open opens exactly the content that f identifies. It returns an error
	// that wraps ErrFileVanished where nothing is at the location, and
	// ErrFileChanged where other content is.
	Open(ctx context.Context, f File) (Input, error)
}

// ControlStore keeps the state and the ledger of every table. It is durable:
// what Update has returned nil for survives the process. Implementations are
// safe for concurrent use, between processes too where they are shared.
type ControlStore interface {
	// State returns the state of a table. A table that was never updated has
	// the zero State with its Name set.
	State(ctx context.Context, table string) (State, error)
	// Update applies u whole or not at all, and only if the stored version of
	// u.State.Table is u.State.Version; the stored version grows by one. It
	// returns an error that wraps ErrConflict where the version differs (also
	// where a record of u.Insert exists already), and ErrStaleFence where
	// u.Fence is not zero and less than the highest fence stored for the table,
	// whatever the version. The empty table name is a table like any other.
	Update(ctx context.Context, u Update) error
	// Files yields the records that match q, ordered by Order, then Location,
	// then ID, each compared as bytes.
	Files(ctx context.Context, q FileQuery) iter.Seq2[FileRecord, error]
	// History yields the entries of a table, newest first.
	History(ctx context.Context, table string) iter.Seq2[Entry, error]
}

// Locker hands out leases. Implementations are safe for concurrent use.
type Locker interface {
	// Acquire takes the lock of that name for ttl without waiting for it. It
	// returns an error that wraps ErrLocked while another holder's lease runs.
	Acquire(ctx context.Context, name string, ttl time.Duration) (Lease, error)
}

// Lease is a lock held. It is safe for concurrent use.
type Lease interface {
	// Fence is greater than that of every earlier lease of the same name, also
	// after release, expiry and restart.
	Fence() int64
	// Renew extends the lease to ttl from now. It returns an error that wraps
	// ErrStaleFence once another holder has taken the lock, or after Release.
	Renew(ctx context.Context) error
	// Release gives the lock back. Releasing a lost or released lease is no error.
	Release(ctx context.Context) error
}

// Transformer changes the rows of a load that won. Implementations are safe
// for concurrent use and keep no state between batches.
type Transformer interface {
	// Schema returns the schema of the batches that Transform makes of batches
	// of the schema in. It is called before any row is read; an error is a
	// configuration error.
	Schema(in *arrow.Schema) (*arrow.Schema, error)
	// Transform returns a new batch; it does not release in. It may drop rows
	// (the row is then removed from the table) but neither add nor reorder
	// rows, and key columns must come through unchanged, unless it is a
	// KeyTransformer. Bad values are reported as a RowError whose Row is the
	// index in the batch plus one; the caller fills in the file and its row.
	Transform(ctx context.Context, in arrow.RecordBatch) (arrow.RecordBatch, error)
}

// Sink holds the tables. Implementations are safe for concurrent use, and safe
// against other writers by compare-and-swap on the table itself.
type Sink interface {
	// Apply commits one load in one atomic step and returns what it did. If the
	// table already carries load.ID it changes nothing and returns the receipt
	// of that commit. It returns an error that wraps ErrStaleFence where the
	// table carries a newer fence than load.Fence, and ErrUnknownCommit where
	// the outcome of the commit could not be found out.
	Apply(ctx context.Context, target Target, load Load, changes *Changes) (Receipt, error)
	// Applied looks for the commit of a load in the table.
	Applied(ctx context.Context, target Target, loadID string) (Receipt, bool, error)
}

// Fencer is an optional ability of a [Sink]: Fence records a fence in the table,
// so that a commit under an older one is refused from then on. The Runner calls
// it before it gives up a load that another process may still be working on.
type Fencer interface {
	Fence(ctx context.Context, target Target, fence int64) error
}

// Witness is an optional ability of a [Sink]: the tables themselves know which
// loads they hold, from which a lost control store is rebuilt.
type Witness interface {
	// Standing returns what the table's metadata tells; the zero Standing
	// where there is no table.
	Standing(ctx context.Context, target Target) (Standing, error)
}

// FenceRaiser is an optional ability of a [Locker]: after RaiseFence the next
// lease of that name has a fence greater than fence. Rebuilding a control store
// needs it where the locker was lost too.
type FenceRaiser interface {
	RaiseFence(ctx context.Context, name string, fence int64) error
}

// Target is a table as a [Sink] sees it.
type Target struct {
	// Name is "namespace.name".
	Name string
	// Mode says what the rows are. Those of ModeAppend have no key: an incremental
	// load adds its rows to the table's. Of those of ModeHistory several have the same
	// key: a load finds all of them, and says of each whether it goes.
	Mode Mode
	// Schema is that of the rows after all transforms, with the columns of the mode.
	Schema *arrow.Schema
	// Columns declares the columns of Schema, in the same order.
	Columns Columns
	// Key names the key columns.
	Key []string
	// OrderBy names those ordering columns that are columns of the table: none
	// unless all are.
	OrderBy []string
	// Partition and Sort are the table's declared partition fields and sort
	// columns. They are used when the table is created.
	Partition []PartitionField
	Sort      []string
	// TombstoneRetention is how long the order of a deleted key is remembered;
	// zero is not at all. It matters with OrderBy only.
	TombstoneRetention time.Duration
	// Properties are set on the table when it is created.
	Properties map[string]string
	// Evolution says how far a table that exists may be changed to become like the
	// target; nil is not at all. See [Target.Changes].
	Evolution *Evolution
}

// Load is one unit of work and one commit.
type Load struct {
	// ID is derived from table, epoch, kind and the ordered file identities.
	ID string `json:"id"`
	// Table is the table's name.
	Table string `json:"table"`
	// Kind is Full or Incremental.
	Kind LoadKind `json:"kind"`
	// Epoch is the table's epoch after the load.
	Epoch int64 `json:"epoch"`
	// Files are the load's files in order.
	Files []File `json:"files"`
	// Watermark is the order of the last change file that the table holds
	// after the load; a full load resets it to "".
	Watermark string `json:"watermark,omitempty"`
	// WatermarkFile is the location of that file.
	WatermarkFile string `json:"watermark_file,omitempty"`
	// Landed is when the first full-load file of Epoch landed; zero without one.
	Landed time.Time `json:"landed,omitzero"`
	// Fence is that of the lease under which the load runs.
	Fence int64 `json:"fence"`
	// Difference is set where a full load commits only what differs.
	Difference bool `json:"difference,omitempty"`
	// Staged is set where a full load is staged file by file.
	Staged bool `json:"staged,omitempty"`
	// Engine is FlagLocal or FlagDistributed; empty is FlagLocal. Route says why.
	Engine JobFlag `json:"engine,omitempty"`
	Route  string  `json:"route,omitempty"`
	// Jobs are the IDs of the jobs that it was submitted as, oldest first, where they
	// may have set rows aside.
	Jobs []string `json:"jobs,omitempty"`

	erased *Erasures // keys that files of before must not bring back
}

// Receipt is what a commit did.
type Receipt struct {
	LoadID string `json:"load_id"`
	// Snapshot identifies the table version that the commit made.
	Snapshot string `json:"snapshot"`
	// Committed is when, by the sink's clock.
	Committed time.Time `json:"committed"`
	Counts    Counts    `json:"counts"`
	// FilesWritten and BytesWritten count data and delete files.
	FilesWritten int   `json:"files_written"`
	BytesWritten int64 `json:"bytes_written"`
	// Found is set where the commit was found in the table instead of made.
	Found bool `json:"found,omitempty"`
	// Checks are the verdicts of the table's checks ([Changes.Verdicts]).
	Checks []Checked `json:"checks,omitempty"`
	// Evolved is what the commit did to the table's schema; nil is nothing.
	Evolved *SchemaRecord `json:"evolved,omitempty"`
}

// Standing is what a table itself tells of the loads it holds.
type Standing struct {
	// Epoch, Watermark, WatermarkFile, Landed and Fence are those of the newest load.
	Epoch         int64
	Watermark     string
	WatermarkFile string
	Landed        time.Time
	Fence         int64
	// Loads are the loads that the retained metadata still shows, oldest
	// first; of Files in them only the ID is known.
	Loads []StandingLoad
	// Erasures are those of the newest [ErasureRequest]; nil is none.
	Erasures *Erasures
	// Complete is set where Loads reach back to the load that opened Epoch, so
	// that a file of this epoch which is in none of them was not applied.
	Complete bool
	// Evolved is what evolution has made of the table's columns, as the newest load
	// with a [SchemaRecord] says.
	Evolved []EvolvedColumn
}

// StandingLoad is one load found in a table's metadata.
type StandingLoad struct {
	ID       string
	Kind     LoadKind
	Epoch    int64
	FileIDs  []string
	Receipt  Receipt
	LastName string // location of the load's last file
}
