package etl

import (
	"context"
	"iter"

	"github.com/apache/arrow-go/v18/arrow"
)

// Found is a batch of committed rows that a sink found under keys of a [Part].
type Found struct {
	// Ordinals[i] is the key of row i, as [Part.Find] gave it.
	Ordinals []int32
	// Record holds the columns that [Part.Wants] names, in that order; nil
	// where it names none.
	Record arrow.RecordBatch
	// Base is set where the rows were written by the full load that opened
	// the epoch: any change beats them, whatever their ordering columns say.
	Base bool
}

// Memory is the order of a key that the table's rows do not show: a tombstone,
// or a row whose last change had no order.
type Memory struct {
	// Ordinal is the key.
	Ordinal int32
	// Order is opaque and compares as bytes.
	Order []byte
}

// Committed is what a sink knows of the keys of a [Part].
type Committed struct {
	// Rows are the committed rows, each key once.
	Rows []Found
	// Memory are the remembered orders; at most one for each key.
	Memory []Memory
}

// Changes are the rows of a load, which the sink settles against the table.
// A sink that lost a race for the table starts over with Parts.
type Changes struct {
	run func(ctx context.Context) iter.Seq2[*Part, error]
}

// Parts yields the changes in one or, where they are too many for the memory
// budget, several parts with disjoint sets of keys. A part is valid until the
// next one is asked for.
func (c *Changes) Parts(ctx context.Context) iter.Seq2[*Part, error] { return c.run(ctx) }

// Part is a set of keys and the changes to them. It is not safe for concurrent
// use, except Find.
type Part struct{}

// Len is the number of distinct keys; ordinals run from 0 to Len()-1.
func (p *Part) Len() int { panic("todo") }

// Keys returns the keys: row i holds the key of ordinal i, in the columns
// Target.Key.
func (p *Part) Keys() arrow.RecordBatch { panic("todo") }

// Find sets out[i] to the ordinal of the key in row i of the key columns
// (in the order and types of Target.Key), or to -1 where the part does not
// have that key. It is safe for concurrent use.
func (p *Part) Find(keys []arrow.Array, out []int32) { panic("todo") }

// Wants names the columns of committed rows that Resolve looks at: none, the
// ordering columns, or all columns of the target.
func (p *Part) Wants() []string { panic("todo") }

// Resolve settles the changes against what is committed. For a full load
// nothing is.
func (p *Part) Resolve(ctx context.Context, c Committed) (*Resolution, error) { panic("todo") }

// Resolution is what becomes of the keys of a part. Rows must be drained before
// the other methods are called.
type Resolution struct{}

// Rows yields the rows to write, in the schema of the target, one for a key. A
// batch is valid until the next one is asked for. It can be called once.
func (r *Resolution) Rows(ctx context.Context) iter.Seq2[arrow.RecordBatch, error] { panic("todo") }

// Removes reports whether the committed row of the key must go: because a row of
// Rows replaces it, or because the key leaves the table.
func (r *Resolution) Removes(ordinal int32) bool { panic("todo") }

// Counts accounts for the rows of the part. RowsBefore and RowsAfter are the
// sink's to fill in.
func (r *Resolution) Counts() Counts { panic("todo") }

// Memory is what the sink has to remember from now on for the keys of the part.
// It replaces whatever it remembered for them.
func (r *Resolution) Memory() []Memory { panic("todo") }
