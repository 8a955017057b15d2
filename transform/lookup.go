package transform

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/tidemark-data/etl"
	"github.com/tidemark-data/etl/internal/cells"
	"github.com/tidemark-data/etl/internal/rowkey"
)

// Miss is what [Lookup] does with a row whose key the source has not.
type Miss string

// The rules for misses.
const (
	MissNull    Miss = "null"    // the columns taken are null
	MissDefault Miss = "default" // they have their defaults
	MissError   Miss = "error"   // the row is bad: "not found in the lookup"
)

// LookupOn pairs a column of the table with one of the source.
type LookupOn struct{ Column, Source string }

// LookupTake is a column of the source and its name in the table; As may be empty
// where that is the same.
type LookupTake struct {
	Source, As string
	// Default is the value for MissDefault, as text, as with [Default].
	Default string
}

// LookupOptions say what [Lookup] adds to rows.
type LookupOptions struct {
	Source LookupSource
	// On are the columns to find a row of the source by, of equal types, not
	// float or double. Rows are found where all are equal, text byte by byte.
	On   []LookupOn
	Take []LookupTake
	// Miss is the rule for rows that are not found; empty is MissNull. A null in a
	// column of On matches nothing and is no error.
	Miss Miss
	// Refresh is the age at which the source is read again; zero is never.
	Refresh time.Duration
}

// Lookup adds columns behind the others, with values of a row of another table or
// file. The source is read whole, once, and kept in memory. Two rows of the source
// for a key are an error; its rows with a null in the key are left out.
//
// Rows are enriched when they are written: a change of the source alone changes
// no row of the table.
func Lookup(o LookupOptions) etl.Transformer {
	o.On, o.Take = slices.Clone(o.On), slices.Clone(o.Take)
	if o.Miss == "" {
		o.Miss = MissNull
	}
	for i, t := range o.Take {
		if t.As == "" {
			o.Take[i].As = t.Source
		}
	}
	l := &lookup{LookupOptions: o}
	l.adding = adding{decl: etl.Declaration{Kind: "lookup"}, fields: l.added, make: l.enrich}
	return l
}

type lookup struct {
	adding
	LookupOptions

	mu     sync.Mutex
	index  *lookupIndex
	loaded time.Time
}

var (
	_ etl.Transformer = (*lookup)(nil)
	_ etl.Declarer    = (*lookup)(nil)
)

// Declare implements [etl.Declarer].
func (l *lookup) Declare() (etl.Declaration, error) {
	d, ok := l.Source.(etl.Declarer)
	if !ok {
		return etl.Declaration{}, errors.New("the source of the lookup runs in Go only")
	}
	source, err := d.Declare()
	if err != nil {
		return etl.Declaration{}, err
	}
	on, take := []any{}, []any{}
	for _, p := range l.On {
		on = append(on, map[string]any{"column": p.Column, "source": p.Source})
	}
	for _, t := range l.Take {
		m := map[string]any{"source": t.Source, "as": t.As}
		if l.Miss == MissDefault {
			m["default"] = t.Default
		}
		take = append(take, m)
	}
	return etl.Declaration{Kind: "lookup", Options: map[string]any{
		"source": map[string]any{"kind": source.Kind, "options": source.Options}, "on": on, "take": take, "miss": string(l.Miss),
	}}, nil
}

// added checks the declaration and returns the columns added.
func (l *lookup) added(in *arrow.Schema) ([]arrow.Field, error) {
	if l.Source == nil {
		return nil, errors.New("no source")
	}
	if l.Miss != MissNull && l.Miss != MissDefault && l.Miss != MissError {
		return nil, fmt.Errorf("miss %q is not null, default or error", l.Miss)
	}
	cols := l.Source.Columns()
	if len(l.On) == 0 {
		return nil, errors.New("no columns to find rows by")
	}
	for _, p := range l.On {
		f, ok := in.FieldsByName(p.Column)
		at := cols.Index(p.Source)
		switch {
		case !ok:
			return nil, fmt.Errorf("no column %s", p.Column)
		case at < 0:
			return nil, fmt.Errorf("the source has no column %s", p.Source)
		case !arrow.TypeEqual(f[0].Type, cols[at].Type.Arrow()):
			return nil, fmt.Errorf("column %s and the source's %s have different types", p.Column, p.Source)
		case cols[at].Type == etl.Float || cols[at].Type == etl.Double:
			return nil, fmt.Errorf("column %s has no exact equality", p.Column)
		}
	}
	var fields []arrow.Field
	for _, t := range l.Take {
		at := cols.Index(t.Source)
		if at < 0 {
			return nil, fmt.Errorf("the source has no column %s", t.Source)
		}
		if l.Miss == MissDefault {
			c, err := constantOf(cols[at].Type, t.Default)
			if err != nil {
				return nil, fmt.Errorf("default of %s: %w", t.As, err)
			}
			c.Release()
		}
		fields = append(fields, arrow.Field{Name: t.As, Type: cols[at].Type.Arrow(), Nullable: true})
	}
	return fields, nil
}

// lookupIndex is what is kept of a source.
type lookupIndex struct {
	codec *rowkey.Codec
	table *rowkey.Table
	rows  []int // of the source, by number in the table
	taken []arrow.Array
	fill  []arrow.Array // defaults, where the rule says so
}

// current returns the index, which it makes if there is none, or an old one.
func (l *lookup) current(ctx context.Context) (*lookupIndex, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.index != nil && (l.Refresh == 0 || time.Since(l.loaded) < l.Refresh) {
		return l.index, nil
	}
	rec, err := l.Source.Load(ctx)
	if err != nil {
		return nil, fmt.Errorf("lookup: %w", err)
	}
	index, err := l.build(rec)
	if err != nil {
		return nil, etl.WithOutcome(etl.Terminal, fmt.Errorf("lookup: %w", err))
	}
	l.index, l.loaded = index, time.Now()
	return index, nil
}

func (l *lookup) build(rec arrow.RecordBatch) (*lookupIndex, error) {
	column := func(name string) (arrow.Array, error) {
		at, want := rec.Schema().FieldIndices(name), l.Source.Columns()
		if len(at) != 1 || !arrow.TypeEqual(rec.Column(at[0]).DataType(), want[want.Index(name)].Type.Arrow()) {
			return nil, fmt.Errorf("the source did not load column %s as announced", name)
		}
		return rec.Column(at[0]), nil
	}
	keys, types := make([]arrow.Array, len(l.On)), make([]arrow.DataType, len(l.On))
	var err error
	for i, p := range l.On {
		if keys[i], err = column(p.Source); err != nil {
			return nil, err
		}
		types[i] = keys[i].DataType()
	}
	x := &lookupIndex{}
	for _, t := range l.Take {
		col, err := column(t.Source)
		if err != nil {
			return nil, err
		}
		x.taken = append(x.taken, col)
		if l.Miss == MissDefault {
			typ, _ := etl.TypeOf(col.DataType())
			c, err := constantOf(typ, t.Default)
			if err != nil {
				return nil, err
			}
			x.fill = append(x.fill, c)
		}
	}
	if x.codec, err = rowkey.NewCodec(types...); err != nil {
		return nil, err
	}
	return x, x.add(keys)
}

// add takes in the keys of the source's rows.
func (x *lookupIndex) add(keys []arrow.Array) error {
	var b rowkey.Batch
	if err := x.codec.Encode(&b, keys); err != nil {
		return err
	}
	seed := rowkey.NewSeed()
	hashes := x.codec.Hash(&seed, &b, nil)
	x.table = rowkey.NewTable(x.codec, seed, b.Len())
	for i := range b.Len() {
		if b.Null(i) {
			continue
		}
		if n := x.table.Add(&b, i, hashes[i]); int(n) != len(x.rows) {
			return fmt.Errorf("the source has two rows for a key: rows %d and %d", x.rows[n]+1, i+1)
		}
		x.rows = append(x.rows, i)
	}
	x.table.Ready()
	return nil
}

// enrich makes the columns added to a batch.
func (l *lookup) enrich(ctx context.Context, in arrow.RecordBatch) ([]arrow.Array, error) {
	x, err := l.current(ctx)
	if err != nil {
		return nil, err
	}
	keys := make([]arrow.Array, len(l.On))
	for i, p := range l.On {
		keys[i] = in.Column(in.Schema().FieldIndices(p.Column)[0])
	}
	var b rowkey.Batch
	if err := x.codec.Encode(&b, keys); err != nil {
		return nil, err
	}
	found := make([]int32, b.Len())
	x.table.Find(&b, found)
	for i := range found {
		if b.Null(i) {
			found[i] = -1
		} else if found[i] < 0 && l.Miss == MissError {
			return nil, inColumn(l.On[0].Column, badValue(i, "not found in the lookup"))
		}
	}
	var out []arrow.Array
	for c, taken := range x.taken {
		col, err := x.take(c, taken, found)
		if err != nil {
			for _, made := range out {
				made.Release()
			}
			return nil, err
		}
		out = append(out, col)
	}
	return out, nil
}

func (x *lookupIndex) take(c int, taken arrow.Array, found []int32) (arrow.Array, error) {
	b := array.NewBuilder(memory.DefaultAllocator, taken.DataType())
	defer b.Release()
	b.Reserve(len(found))
	add, err := cells.Appender(b, taken)
	if err != nil {
		return nil, err
	}
	miss := func(int) { b.AppendNull() }
	if x.fill != nil {
		if miss, err = cells.Appender(b, x.fill[c]); err != nil {
			return nil, err
		}
	}
	for _, n := range found {
		if n < 0 {
			miss(0)
		} else {
			add(x.rows[n])
		}
	}
	return b.NewArray(), nil
}
