package catalogsink

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/compute"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/apache/iceberg-go"
)

// partitioner tells rows apart by partition. Partitions are numbered in the
// order in which they turn up.
type partitioner struct {
	plan   *filePlan
	fields []*partitionField
	tuples map[[2]int32]int32 // (number so far, value of the next field) -> number
	found  []*partition
}

// partition is not changed once it is known: the lanes read it while others are
// being found.
type partition struct {
	number int
	dir    string // ends in a slash, or is empty
	values map[int]any
}

// partitionField turns the values of a column into those of a partition field,
// each once: sources repeat.
type partitionField struct {
	id     int
	column int
	typ    iceberg.Type
	with   iceberg.Transform
	known  map[value]int32 // by source value
	byKey  map[any]int32   // by partition value
	values []any           // by number; 0 is null
}

// knownSources bounds what a field remembers of its source.
const knownSources = 1 << 16

func newPartitioner(plan *filePlan) (*partitioner, error) {
	p := &partitioner{plan: plan, tuples: map[[2]int32]int32{}}
	for _, f := range plan.spec.Fields() {
		pf := &partitionField{id: f.FieldID, column: -1, with: f.Transform, known: map[value]int32{}, byKey: map[any]int32{}, values: []any{nil}}
		for i, col := range plan.ice.Fields() {
			if col.ID == f.SourceID() {
				pf.column, pf.typ = i, col.Type
			}
		}
		if pf.column < 0 {
			if _, void := f.Transform.(iceberg.VoidTransform); !void {
				return nil, terminal(fmt.Errorf("partition field %s has no column", f.Name))
			}
		} else if !f.Transform.CanTransform(pf.typ) {
			return nil, terminal(fmt.Errorf("partition field %s: %s does not apply to %s", f.Name, f.Transform, pf.typ))
		}
		p.fields = append(p.fields, pf)
	}
	return p, nil
}

// split hands out the rows of a batch by partition.
func (p *partitioner) split(ctx context.Context, rec arrow.RecordBatch, each func(piece) error) error {
	parts, err := p.number(rec)
	if err != nil {
		return err
	}
	rows := map[int32]*array.Int64Builder{}
	var order []int32
	for i, part := range parts {
		b := rows[part]
		if b == nil {
			b = array.NewInt64Builder(memory.DefaultAllocator)
			defer b.Release()
			rows[part] = b
			order = append(order, part)
		}
		b.Append(int64(i))
	}
	for _, part := range order {
		if len(order) == 1 {
			return each(piece{p.found[part], rec})
		}
		if err := p.hand(ctx, rec, p.found[part], rows[part], each); err != nil {
			return err
		}
	}
	return nil
}

func (p *partitioner) hand(ctx context.Context, rec arrow.RecordBatch, part *partition, rows *array.Int64Builder, each func(piece) error) error {
	at := rows.NewInt64Array()
	defer at.Release()
	some, err := takeRows(ctx, rec, at)
	if err != nil {
		return err
	}
	defer some.Release()
	return each(piece{part, some})
}

// takeRows picks rows of a batch; the caller releases the result.
func takeRows(ctx context.Context, rec arrow.RecordBatch, rows arrow.Array) (arrow.RecordBatch, error) {
	ctx = compute.WithAllocator(ctx, memory.DefaultAllocator)
	cols := make([]arrow.Array, 0, rec.NumCols())
	defer func() {
		for _, c := range cols {
			c.Release()
		}
	}()
	for _, c := range rec.Columns() {
		picked, err := take(ctx, c, rows)
		if err != nil {
			return nil, fmt.Errorf("pick rows: %w", err)
		}
		cols = append(cols, picked)
	}
	return array.NewRecordBatch(rec.Schema(), cols, int64(rows.Len())), nil
}

// number gives each row the number of its partition.
func (p *partitioner) number(rec arrow.RecordBatch) ([]int32, error) {
	out := make([]int32, rec.NumRows())
	of := make([]int32, rec.NumRows())
	picked := make([][]int32, len(p.fields)) // for new tuples
	for k, f := range p.fields {
		if err := f.number(rec, of); err != nil {
			return nil, err
		}
		picked[k] = append([]int32{}, of...)
		last := k == len(p.fields)-1
		for i := range out {
			key := [2]int32{int32(k)<<24 | out[i], of[i]}
			n, ok := p.tuples[key]
			if !ok {
				if n = int32(len(p.tuples)); last {
					n = int32(len(p.found))
					p.add(picked, i)
				}
				if n >= 1<<24 {
					return nil, errors.New("more than 16 million partitions")
				}
				p.tuples[key] = n
			}
			out[i] = n
		}
	}
	return out, nil
}

func (p *partitioner) add(picked [][]int32, row int) {
	t := &partition{number: len(p.found), values: map[int]any{}}
	for k, f := range p.fields {
		t.values[f.id] = f.values[picked[k][row]]
	}
	t.dir = p.plan.folder(t.values)
	p.found = append(p.found, t)
}

// longName is how many bytes of a partition's folder are its name; what is
// longer goes by a digest, as does what a file system does not take.
const longName = 128

// folder is where files of a partition are, as a path that ends in a slash, or
// empty. It is for people to find them: readers go by the manifests.
func (p *filePlan) folder(values map[int]any) string {
	if p.spec.IsUnpartitioned() {
		return ""
	}
	var record tuple
	for _, f := range p.spec.Fields() {
		record = append(record, values[f.FieldID])
	}
	parts := strings.Split(p.spec.PartitionToPath(record, p.ice), "/") // slashes in values are escaped
	for i, part := range parts {
		if name, _, ok := strings.Cut(part, "="); ok && (len(part) > longName || strings.Contains(part, "%00")) {
			parts[i] = name + "=" + digest(part)
		}
	}
	return strings.Join(parts, "/") + "/"
}

// tuple is a partition as iceberg-go wants it.
type tuple []any

func (t tuple) Size() int            { return len(t) }
func (t tuple) Get(pos int) any      { return t[pos] }
func (t tuple) Set(pos int, val any) { t[pos] = val }

func (f *partitionField) number(rec arrow.RecordBatch, out []int32) error {
	clear(out)
	if f.column < 0 {
		return nil
	}
	a := rec.Column(f.column)
	at := sourceOf(a)
	if at == nil {
		return fmt.Errorf("partition column of type %v", a.DataType())
	}
	for i := range out {
		if a.IsNull(i) {
			continue
		}
		v := at(i)
		n, ok := f.known[v]
		if !ok {
			var err error
			if n, err = f.value(a, i); err != nil {
				return err
			}
			if len(f.known) >= knownSources {
				clear(f.known)
			}
			f.known[value{v.n, strings.Clone(v.s)}] = n
		}
		out[i] = n
	}
	return nil
}

// value transforms one value and numbers the result.
func (f *partitionField) value(a arrow.Array, i int) (int32, error) {
	out := apply(f.with, literalOf(a, i))
	if out == nil {
		return 0, nil
	}
	key := out
	if b, ok := out.([]byte); ok {
		key = string(b)
	}
	if n, ok := f.byKey[key]; ok {
		return n, nil
	}
	n := int32(len(f.values))
	f.values = append(f.values, out)
	f.byKey[key] = n
	return n, nil
}
