package etl

import (
	"time"
)

// Table declares a table: which rows feed it and what it must hold.
type Table struct {
	// Name is "namespace.name".
	Name string
	// Columns are the columns read from the files, without the operation column
	// and before-image columns.
	Columns Columns
	// Mode says what the rows of the table are; empty is ModeUpsert. ModeColumns
	// names the columns that the mode adds.
	Mode        Mode
	ModeColumns ModeColumns
	// Key names the columns of the primary key; at least one, unless the table is
	// of ModeAppend.
	Key []string
	// OrderBy names the ordering columns: of two changes to a key, the one
	// with the greater values wins, the later in position if they are equal. A
	// null in one of them means that the change has no order: it wins by
	// position. Without ordering columns position alone decides.
	OrderBy []string
	// Op is where change files say what to do.
	Op OpColumn
	// OldKey names before-image columns, one for each column of Key: where they
	// are present, not null and different from the key, the old key is removed.
	OldKey []string
	// Format reads the files; nil is Config.Format.
	Format Format
	// Flag is the flag that the table starts with; empty is L.
	Flag JobFlag
	// Completion says when a full load has all its files.
	Completion Completion
	// Late says what happens to change files that come late where there are no
	// ordering columns; empty is LatePause.
	Late LatePolicy
	// Settle is how long after its registration a change file waits for
	// neighbours that sort before it. Zero suits listings, some seconds events.
	Settle time.Duration
	// MaxBatchFiles and MaxBatchBytes limit the change files of one load; zero
	// is 64 files and 256 MiB. A single larger file is a load of its own.
	MaxBatchFiles int
	MaxBatchBytes int64
	// FullLoads says what a full load does to the table; empty is FullReplace, for
	// ModeHistory FullDifference.
	FullLoads FullLoadMode
	// Staging says which full loads are staged file by file, where the sink is a
	// [Stager].
	Staging Staging
	// AllowEmpty lets files without any row pass. Otherwise they are bad input:
	// an export that broke off would empty the table.
	AllowEmpty bool
	// Transforms change the rows that won, in this order.
	Transforms []Transformer
	// Checks judge each load before it is committed.
	Checks []TableCheck
	// BadRows is how many bad rows of a load are set aside in [Config.Quarantine]
	// instead of failing it. A row set aside is as if it were not there.
	BadRows ErrorBudget
	// Contract says what happens when files differ from the declaration, and when the
	// declaration differs from the table.
	Contract Contract
	// Renamed maps former names of columns to those that they have now, in files and
	// in the table. A column that is renamed keeps its values.
	Renamed map[string]string
	// Dropped are columns that files do not have any more, or that nobody wants.
	Dropped map[string]DropRule
	// Partition and Sort are used when the table is created.
	Partition []PartitionField
	Sort      []string
	// TombstoneRetention is how long the order of a deleted key is remembered,
	// so that older data does not bring it back; zero is 7 days, negative none.
	TombstoneRetention time.Duration
	// Properties are set on the table when it is created.
	Properties map[string]string
	// Maintenance says how the table is kept in shape, by [Runner.Maintain] or,
	// if it is automatic, after loads.
	Maintenance Maintenance

	evolved []EvolvedColumn // what evolution has made of Columns
}

// OpColumn is the column of change files that holds the operation.
type OpColumn struct {
	// Column is its name; empty means that every row is an upsert.
	Column string
	// Codes maps the column's values to operations; nil is I, U and D as AWS
	// DMS writes them. A value that is not in it is bad input.
	Codes map[string]Op
}

// Op is what a change does.
type Op uint8

const (
	// Upsert inserts the row or replaces that of the same key.
	Upsert Op = iota + 1
	// Delete removes the row of the key.
	Delete
)

// LatePolicy says what happens to a change file whose order lies below one that
// was applied already, in a table without ordering columns.
type LatePolicy string

// The policies for late change files.
const (
	LatePause    LatePolicy = "pause"     // pause the table and let a person decide
	LateApply    LatePolicy = "apply"     // apply it as if it had come in time
	LateSetAside LatePolicy = "set_aside" // leave it out and go on
)

// Completion says when an open full load has all its files. The zero value is
// a quiet period of zero: the full load has the files that one listing or one
// batch of events shows. Set at most one field.
type Completion struct {
	// Explicit waits for [Runner.Complete].
	Explicit bool
	// EachFile makes each full-load file a full load by itself.
	EachFile bool
	// Quiet is how long no further file must have been registered.
	Quiet time.Duration
	// Files is the number of files of a full load.
	Files int
}

// PartitionField is one field of a table's partition spec, as in the Iceberg
// format spec, "Partitioning".
type PartitionField struct {
	// Column is the source column.
	Column string
	// Transform is identity, year, month, day, hour, bucket or truncate.
	Transform string
	// N is the number of buckets, or the width of truncate.
	N int
}
