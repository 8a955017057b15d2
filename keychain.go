package etl

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"

	"github.com/tidemark-data/etl/internal/rowkey"
)

// KeyTransformer is an optional ability of a [Transformer] that changes values
// of single columns, each by itself and always in the same way, and drops no
// rows. The columns may then be key columns. Keys, also old keys and those of
// deletes, are changed before changes are settled, so that a key is what the
// table holds: values that become equal are the same key.
type KeyTransformer interface {
	Transformer
	// Changes names the columns whose values the transform changes.
	Changes() []string
	// TransformKey is Transform for a batch that has some of the columns only,
	// and perhaps none of those that Changes names. A null stays null or becomes
	// a value. It is called for rows that may lose, and must make of a value
	// what Transform makes of it.
	TransformKey(ctx context.Context, in arrow.RecordBatch) (arrow.RecordBatch, error)
}

// keyChain is what the transforms of a table do to its keys.
type keyChain struct {
	names  []string
	steps  []KeyTransformer // by transform; nil for those that leave keys alone
	codecs []*rowkey.Codec  // of the keys before any transform, after the first one, ...
}

func newKeyChain(t Table) (keyChain, error) {
	k := keyChain{names: t.Key, steps: make([]KeyTransformer, len(t.Transforms))}
	c, err := codec(t.Columns, t.Key)
	if err != nil {
		return k, err
	}
	k.codecs = append(k.codecs, c)
	schema := t.Columns.Schema()
	for i, tr := range t.Transforms {
		if schema, err = tr.Schema(schema); err != nil {
			return k, err
		}
		if kt, ok := tr.(KeyTransformer); ok && touches(kt, t.Key) {
			k.steps[i] = kt
			if c, err = schemaCodec(schema, t.Key); err != nil {
				return k, err
			}
		}
		k.codecs = append(k.codecs, c)
	}
	return k, nil
}

func touches(t KeyTransformer, columns []string) bool {
	return slices.ContainsFunc(t.Changes(), func(c string) bool { return slices.Contains(columns, c) })
}

func schemaCodec(schema *arrow.Schema, names []string) (*rowkey.Codec, error) {
	if len(names) == 0 {
		return nil, nil
	}
	types := make([]arrow.DataType, len(names))
	for i, name := range names {
		f, ok := schema.FieldsByName(name)
		if !ok {
			return nil, fmt.Errorf("key column %s does not come through the transforms", printable(name))
		}
		types[i] = f[0].Type
	}
	return rowkey.NewCodec(types...)
}

func (k keyChain) last() *rowkey.Codec { return k.codecs[len(k.codecs)-1] }

// changedBy reports whether a transform changes keys.
func (k keyChain) changedBy(step int) bool { return k.steps[step] != nil }

func (k keyChain) changed() bool {
	return slices.ContainsFunc(k.steps, func(t KeyTransformer) bool { return t != nil })
}

func (k keyChain) schema(cols []arrow.Array) *arrow.Schema {
	fields := make([]arrow.Field, len(cols))
	for i, c := range cols {
		fields[i] = arrow.Field{Name: k.names[i], Type: c.DataType(), Nullable: true}
	}
	return arrow.NewSchema(fields, nil)
}

// apply runs the transforms from step on, as far as they change keys.
func (k keyChain) apply(ctx context.Context, step int, cols []arrow.Array) ([]arrow.Array, error) {
	for ; step < len(k.steps); step++ {
		t := k.steps[step]
		if t == nil {
			continue
		}
		rows := cols[0].Len()
		in := array.NewRecordBatch(k.schema(cols), cols, int64(rows))
		out, err := t.TransformKey(ctx, in)
		if err != nil {
			return nil, err
		}
		if int(out.NumRows()) != rows || int(out.NumCols()) != len(cols) {
			return nil, WithOutcome(Terminal, errors.New("a transform of keys added or dropped rows or columns"))
		}
		cols = out.Columns()
	}
	return cols, nil
}

// transformKeys returns the columns of a batch of the first pass with the keys,
// and old keys, as the table will hold them.
func (c *Changes) transformKeys(ctx context.Context, k *keyPass, file int, rows Rows) ([]arrow.Array, error) {
	cols := rows.Record.Columns()
	if !c.keys.changed() || rows.Record.NumRows() == 0 {
		return cols, nil
	}
	place := func(err error) error {
		var re *RowError
		if errors.As(err, &re) && re.File == "" && re.Row >= 1 && int(re.Row) <= len(rows.Numbers) {
			return &RowError{File: c.load.Files[file].Location, Row: rows.Numbers[re.Row-1], Column: re.Column, Rule: re.Rule, Err: re.Err}
		}
		return err
	}
	cols = slices.Clone(cols)
	n := k.orderAt
	for i, col := range cols[:n] {
		if row := firstNull(col); row >= 0 {
			return nil, place(&RowError{Row: int64(row) + 1, Column: c.keys.names[i], Rule: "key is null"})
		}
	}
	made, err := c.keys.apply(ctx, 0, cols[:n])
	if err != nil {
		return nil, place(err)
	}
	copy(cols, made)
	if k.oldAt < 0 {
		return cols, nil
	}
	if made, err = c.keys.apply(ctx, 0, cols[k.oldAt:k.oldAt+n]); err != nil {
		return nil, place(err)
	}
	copy(cols[k.oldAt:], made)
	return cols, nil
}

func firstNull(col arrow.Array) int {
	if col.NullN() > 0 {
		for i := range col.Len() {
			if col.IsNull(i) {
				return i
			}
		}
	}
	return -1
}

// changesColumn asks transforms that tell, as a [KeyTransformer] does.
func changesColumn(tr Transformer, name string) bool {
	t, ok := tr.(interface{ Changes() []string })
	return ok && slices.Contains(t.Changes(), name)
}

// checkStep makes sure that a transform leaves alone what it must not change.
func (t Table) checkStep(tr Transformer, in, out *arrow.Schema) error {
	kt, changes := tr.(KeyTransformer)
	for _, name := range t.Key {
		a, ok := in.FieldsByName(name)
		b, still := out.FieldsByName(name)
		if !ok || !still || !arrow.TypeEqual(a[0].Type, b[0].Type) && (!changes || !slices.Contains(kt.Changes(), name)) {
			return fmt.Errorf("key column %s does not come through the transforms unchanged", printable(name))
		}
		if typ, ok := TypeOf(b[0].Type); !ok || typ == Float || typ == Double {
			return fmt.Errorf("key column %s would be of Arrow type %v, which has no exact equality", printable(name), b[0].Type)
		}
	}
	for _, name := range t.OrderBy {
		a, ok := in.FieldsByName(name)
		b, still := out.FieldsByName(name)
		if !still {
			continue // dropped: the table then does not show the order
		}
		if !ok || !arrow.TypeEqual(a[0].Type, b[0].Type) || changesColumn(tr, name) {
			return fmt.Errorf("ordering column %s must come through unchanged, or be dropped", printable(name))
		}
	}
	return nil
}

// sensitiveMark goes with a column through the transforms, whatever its name
// becomes.
const sensitiveMark = "tidemark.sensitive"

func markSensitive(columns Columns) *arrow.Schema {
	fields := columns.Schema().Fields()
	for i, c := range columns {
		if c.Sensitive {
			fields[i].Metadata = arrow.NewMetadata([]string{sensitiveMark}, []string{"true"})
		}
	}
	return arrow.NewSchema(fields, nil)
}

// unmarked returns the schema that batches have.
func unmarked(schema *arrow.Schema) *arrow.Schema {
	fields := schema.Fields()
	for i, f := range fields {
		if f.Metadata.FindKey(sensitiveMark) >= 0 {
			fields[i].Metadata = arrow.Metadata{}
		}
	}
	return arrow.NewSchema(fields, nil)
}
