package etl

import (
	"context"
	"fmt"
	"iter"
	"sync"
	"sync/atomic"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"

	"github.com/tidemark-data/etl/internal/rowkey"
)

// Found is a batch of committed rows that a sink found under keys of a [Part].
type Found struct {
	// Ordinals[i] is the key of row i, as [Part.Find] gave it.
	Ordinals []int32
	// Record holds the columns that [Part.Wants] names, in that order; nil
	// where it names none. Of Base it may be nil where these are the ordering
	// columns, unless [Part.WantsBase].
	Record arrow.RecordBatch
	// Digests may stand in place of Record where [Part.TakesDigests].
	Digests []Digest
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
	// Rows are the committed rows, each key once; in a table of ModeHistory all rows of
	// each key.
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
	budget *budget
	temp   string
	notify func(location string, pass int, rows int64)
	seed   rowkey.Seed
	key    *rowkey.Codec // of keys as the table holds them
	keys   keyChain
	order  *rowkey.Codec // nil without ordering columns
	shown  *rowkey.Codec // of the orders that rows of the table show; nil if they show none
	made   *arrow.Schema // of rows as the transforms make them
	timed  bool          // the first ordering column is a timestamp
	dress  dresser       // nil where the mode adds no columns

	digests digestSeeds
	checks  *checking  // nil without checks
	bad     *badRows   // nil where no rows are, or were, set aside
	full    []bool     // files that are mended rows of a full load; nil if none
	erased  *erasedSet // nil where no row may be of an erased key

	shapes []*fileShape // by file; nil where all are read as declared

	// optimistic lets a full load be read in one pass; unsorted is set once that
	// has failed.
	optimistic bool
	unsorted   atomic.Bool
}

// ChangesConfig is what [NewChanges] needs. Runners make their changes
// themselves; this is for tests of sinks.
type ChangesConfig struct {
	Table  Table
	Load   Load
	Source Source
	Format Format // nil is Table.Format
	// Budget is the number of bytes that the changes may take in memory; zero
	// is 256 MiB. What is beyond it goes to temporary files.
	Budget int64
	// TempDir is the folder for them; empty is os.TempDir().
	TempDir string
	// Progress, if not nil, is told how many rows of a file were read in which pass.
	Progress func(location string, pass int, rows int64)

	// Scope is what the table's checks may know besides load and target.
	Scope CheckScope

	// Aside is what is known of bad rows, where the changes are those of a [Job];
	// HandOver is called with those of the load before its commit.
	Aside    *JobAside
	HandOver func(context.Context, HandedOver) error

	// Shapes are those of a [Job].
	Shapes []*FileShape

	shapes  []*fileShape
	aside   *aside  // of a Runner; without it no row is set aside
	shared  *budget // of a Runner, in place of Budget
	onePass bool    // try to read a full load in one pass
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
		budget: cfg.shared, temp: cfg.TempDir, notify: cfg.Progress, seed: rowkey.NewSeed(), optimistic: cfg.onePass,
		digests: newDigestSeeds(), shapes: cfg.shapes, made: t.madeSchema(target.Schema), timed: t.ordersByTime(),
	}
	c.dress = c.dressing()
	if len(t.Checks) > 0 {
		c.checks = &checking{all: t.Checks, scope: cfg.Scope}
		c.checks.scope.Load, c.checks.scope.Target, c.checks.scope.TempDir = cfg.Load, target, cfg.TempDir
	}
	if c.format == nil {
		return nil, fmt.Errorf("table %s: no format", t.Name)
	}
	if cfg.aside == nil {
		cfg.aside = cfg.Aside.asideOf(cfg.Load, cfg.HandOver)
	}
	if cfg.Shapes != nil {
		c.shapes = shapesOf(t, cfg.Load.Kind, cfg.Shapes)
	}
	c.bad = newBadRows(c, cfg.aside)
	c.erased = cfg.Load.erased.set(cfg.Load.Files)
	if c.keys, err = newKeyChain(t); err != nil {
		return nil, fmt.Errorf("table %s: %w", t.Name, err)
	}
	if c.key = c.keys.last(); c.key == nil { // of an append table
		if c.key, err = rowkey.NewCodec(); err != nil {
			return nil, err
		}
	}
	if c.order, err = codec(t.Columns, t.OrderBy); err != nil {
		return nil, fmt.Errorf("table %s: %w", t.Name, err)
	}
	c.full = c.fullFiles()
	if c.shown, err = codec(target.Columns, target.OrderBy); err != nil {
		return nil, fmt.Errorf("table %s: %w", t.Name, err)
	}
	if c.budget == nil {
		if cfg.Budget <= 0 {
			cfg.Budget = 256 << 20
		}
		c.budget = newBudget(cfg.Budget, 1)
	}
	if c.notify == nil {
		c.notify = func(string, int, int64) {}
	}
	return c, nil
}

// codec returns that of the named columns, or nil where none are named.
func codec(columns Columns, names []string) (*rowkey.Codec, error) {
	if len(names) == 0 {
		return nil, nil
	}
	types := make([]arrow.DataType, len(names))
	for i, name := range names {
		j := columns.Index(name)
		if j < 0 {
			return nil, fmt.Errorf("column %s is not declared", printable(name))
		}
		types[i] = columns[j].Type.Arrow()
	}
	return rowkey.NewCodec(types...)
}

// Parts yields the changes in one or, where they are too many for the memory
// budget, several parts with disjoint sets of keys. A part is valid until the
// next one is asked for.
func (c *Changes) Parts(ctx context.Context) iter.Seq2[*Part, error] {
	return c.checked(ctx, func(yield func(*Part, error) bool) {
		switch {
		case c.appends():
			yield(c.appendPart(), nil)
			return
		case c.onePass():
			yield(c.streamPart(), nil)
			return
		}
		g, err := c.budget.open(ctx)
		if err != nil {
			yield(nil, err)
			return
		}
		defer g.close()
		k := c.newKeyPass(g)
		defer k.close()
		err = k.run(ctx)
		if err == nil {
			err = c.bad.begin(ctx, k.in, k.read+k.refused)
		}
		if err != nil {
			yield(nil, err)
			return
		}
		k.parts(ctx, yield)
	})
}

// partial reports whether rows of the load may leave columns unsupplied.
func (c *Changes) partial() bool { return c.format.Partial(c.load.Kind) || c.shapedPartial() }

// startsOver reports whether a failed attempt is to be repeated at once, in another
// way.
func (c *Changes) startsOver() bool {
	if c.unsorted.Load() && c.optimistic {
		c.optimistic = false
		return true
	}
	return c.bad.startsOver()
}

// simple reports whether of each key the last change of all matters, and the
// last one of the greatest order, and no others.
func (c *Changes) simple() bool {
	return !c.partial() && !c.softens() && !c.chronicles() && c.full == nil && (len(c.table.OldKey) == 0 || c.load.Kind == Full)
}

// crossing reports whether rows may take values from the row of another key,
// so that all keys must be in one part.
func (c *Changes) crossing() bool {
	return c.partial() && len(c.table.OldKey) > 0 && c.load.Kind != Full
}

// Part is a set of keys and the changes to them. It is not safe for concurrent
// use, except Find.
type Part struct {
	c       *Changes
	in      *inputs
	keys    *rowkey.Table
	latest  *latest  // either this
	all     *history // or that
	read    int64    // rows of the part's keys
	bad     int64    // rows set aside, with the first part
	refused int64    // rows of erased keys, with the first part
	defers  *deferred
	whole   bool // there is no other part
	stream  bool // the keys are not known before the rows are read

	once   sync.Once
	record arrow.RecordBatch // key columns, by ordinal
}

// Len is the number of distinct keys; ordinals run from 0 to Len()-1. A full load
// whose rows come in the order of their keys has none, nor has a load of a table of
// ModeAppend: their keys are not known.
func (p *Part) Len() int { return p.keys.Len() }

// lastOne reports whether no other part gives out rows after this one.
func (p *Part) lastOne() bool { return p.Whole() || p.defers != nil && p.defers.last }

// Whole reports whether the part is the only one.
func (p *Part) Whole() bool { return p.whole || p.stream }

// Keys returns the keys: row i holds the key of ordinal i, in the columns
// Target.Key.
func (p *Part) Keys() arrow.RecordBatch {
	p.once.Do(func() {
		var columns Columns
		for _, name := range p.c.table.Key {
			columns = append(columns, p.c.target.Columns[p.c.target.Columns.Index(name)])
		}
		cols, n := p.keys.Columns(p.c.key), int64(p.Len())
		p.record = array.NewRecordBatch(columns.Schema(), cols, n)
	})
	return p.record
}

// Find sets out[i] to the ordinal of the key in row i of the key columns
// (in the order and types of Target.Key), or to -1 where the part does not
// have that key. It is safe for concurrent use. It fails on columns of other
// types.
func (p *Part) Find(keys []arrow.Array, out []int32) error {
	b := batches.Get().(*rowkey.Batch)
	defer batches.Put(b)
	if err := p.c.key.Encode(b, keys); err != nil {
		return err
	}
	if b.Len() < len(out) {
		return fmt.Errorf("%d keys to find, %d wanted", b.Len(), len(out))
	}
	p.keys.Find(b, out)
	return nil
}

// batches are scratch memory of Find, which probes call for every page.
var batches = sync.Pool{New: func() any { return new(rowkey.Batch) }}

// Wants names the columns of committed rows that Resolve looks at: none, the
// ordering columns, or all columns of the target.
func (p *Part) Wants() []string {
	switch {
	case p.c.swaps():
		return nil
	case p.c.partial(), p.c.softens(), p.c.chronicles(), p.c.compares():
		names := make([]string, len(p.c.target.Columns))
		for i, col := range p.c.target.Columns {
			names[i] = col.Name
		}
		return names
	default:
		return p.c.target.OrderBy
	}
}
