package etl

import (
	"context"
	"errors"
	"fmt"
	"iter"

	"github.com/apache/arrow-go/v18/arrow"

	"github.com/tidemark-data/etl/internal/rowkey"
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

// Memory is the order of a key where the table's row does not show it: a
// tombstone, or a row whose last change had no order.
type Memory struct {
	// Ordinal is the key.
	Ordinal int32
	// Order is opaque and compares as bytes. It may be empty: the key has no
	// order, whatever its row shows.
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
	table  Table
	target Target
	load   Load
	source Source
	format Format
	budget int64
	notify func(location string, pass int, rows int64)
	seed   rowkey.Seed
}

// ChangesConfig is what [NewChanges] needs. Runners make their changes
// themselves; this is for tests of sinks.
type ChangesConfig struct {
	Table  Table
	Load   Load
	Source Source
	Format Format // nil is Table.Format
	// Budget is the number of bytes that the keys of one part may take; zero is 256 MiB.
	Budget int64
	// Progress, if not nil, is told how many rows of a file were read in which pass.
	Progress func(location string, pass int, rows int64)
}

// NewChanges returns the changes that the files of a load bring to a table.
// Nothing is read before [Changes.Parts].
func NewChanges(cfg ChangesConfig) (*Changes, error) {
	t := cfg.Table
	if cfg.Format != nil {
		t.Format = cfg.Format
	}
	t = t.withDefaults()
	target, err := t.Target()
	if err != nil {
		return nil, err
	}
	c := &Changes{
		table: t, target: target, load: cfg.Load, source: cfg.Source, format: t.Format,
		budget: cfg.Budget, notify: cfg.Progress, seed: rowkey.NewSeed(),
	}
	if c.format == nil {
		return nil, fmt.Errorf("table %s: no format", t.Name)
	}
	if c.budget <= 0 {
		c.budget = 256 << 20
	}
	if c.notify == nil {
		c.notify = func(string, int, int64) {}
	}
	return c, nil
}

// Parts yields the changes in one or, where they are too many for the memory
// budget, several parts with disjoint sets of keys. A part is valid until the
// next one is asked for.
func (c *Changes) Parts(ctx context.Context) iter.Seq2[*Part, error] {
	return func(yield func(*Part, error) bool) {
		todo := []share{{0, 1}}
		for len(todo) > 0 {
			s := todo[len(todo)-1]
			todo = todo[:len(todo)-1]
			p, err := c.readKeys(ctx, s)
			if errors.Is(err, errOverBudget) {
				low, high := s.split()
				todo = append(todo, high, low)
				continue
			}
			if err != nil {
				yield(nil, err)
				return
			}
			if !yield(p, nil) {
				return
			}
		}
	}
}

// errOverBudget ends a key pass that has to be done in smaller shares.
var errOverBudget = errors.New("keys exceed the memory budget")

// share is the set of keys whose hash ends in the given bits.
type share struct{ bits, of uint64 } // of is a power of two

func (s share) holds(hash uint64) bool { return hash&(s.of-1) == s.bits }

func (s share) split() (low, high share) {
	return share{s.bits, s.of * 2}, share{s.bits + s.of, s.of * 2}
}

// maxShares bounds the number of passes over the input.
const maxShares = 1 << 12

// partial reports whether rows of the load may leave columns unsupplied.
func (c *Changes) partial() bool { return c.format.Partial(c.load.Kind) }

// crossing reports whether rows may take values from the row of another key,
// so that all keys must be in one part.
func (c *Changes) crossing() bool {
	return c.partial() && len(c.table.OldKey) > 0 && c.load.Kind != Full
}

// Part is a set of keys and the changes to them. It is not safe for concurrent
// use, except Find.
type Part struct {
	c       *Changes
	keys    *rowkey.Table
	record  arrow.RecordBatch // key columns, by ordinal
	changes []change
	orders  []byte // arena
	read    int64  // rows of the part's keys
}

// change is one row read: what it does to which key.
type change struct {
	key   int32 // -1 where the key belongs to another part
	old   int32 // the key that the row gives up, or -1
	file  int32
	op    Op
	row   int64
	order span
}

// span is a piece of an arena; a negative length is null.
type span struct {
	at  int64
	len int32
}

func (p *Part) order(s span) []byte {
	if s.len < 0 {
		return nil
	}
	return p.orders[s.at : s.at+int64(s.len)]
}

// Len is the number of distinct keys; ordinals run from 0 to Len()-1.
func (p *Part) Len() int { return p.keys.Len() }

// Keys returns the keys: row i holds the key of ordinal i, in the columns
// Target.Key.
func (p *Part) Keys() arrow.RecordBatch { return p.record }

// Find sets out[i] to the ordinal of the key in row i of the key columns
// (in the order and types of Target.Key), or to -1 where the part does not
// have that key. It is safe for concurrent use. It fails on columns of other
// types.
func (p *Part) Find(keys []arrow.Array, out []int32) error {
	r, err := rowkey.NewReader(keys)
	if err != nil {
		return err
	}
	var buf []byte
	for i := range out {
		if r.Null(i) >= 0 {
			out[i] = -1
			continue
		}
		buf = r.Append(buf[:0], i)
		out[i] = p.keys.Find(buf)
	}
	return nil
}

// Wants names the columns of committed rows that Resolve looks at: none, the
// ordering columns, or all columns of the target.
func (p *Part) Wants() []string {
	switch {
	case p.c.load.Kind == Full:
		return nil
	case p.c.partial():
		names := make([]string, len(p.c.target.Columns))
		for i, col := range p.c.target.Columns {
			names[i] = col.Name
		}
		return names
	default:
		return p.c.target.OrderBy
	}
}
