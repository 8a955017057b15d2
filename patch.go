package etl

import (
	"iter"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/tidemark-data/etl/internal/cells"
)

// patcher completes rows that left columns unsupplied with the values that
// stood below them: those of earlier changes, down to the committed row.
type patcher struct {
	lines   lineage
	columns Columns
	member  []bool // by change: rows below a winner
	builder *array.RecordBuilder
	held    arrow.RecordBatch
	heldAt  map[int64]int // by change: row of held
	gaps    [][]bool      // by held row: columns not supplied; nil if all are
	todo    []int64       // winners with gaps
	table   map[cell]rowRef
}

// lineage tells a [patcher] what stands below the changes of a part.
type lineage interface {
	// wins reports whether the row of a change is given out, winning yields those
	// changes.
	wins(id int64) bool
	winning() iter.Seq[int64]
	// valuesBelow is the change whose row is below; -1 if there is none.
	valuesBelow(id int64) int64
	// committedBelow is the committed row below, if there is one.
	committedBelow(id int64) (rowRef, bool)
	position(id int64) int64
}

// cell is a column of the row of a change.
type cell struct {
	id  int64
	col int
}

func newPatcher(part *Part, lines lineage) *patcher {
	columns := part.c.table.Columns
	p := &patcher{
		lines: lines, columns: columns, member: make([]bool, len(part.all.changes)), heldAt: map[int64]int{}, table: map[cell]rowRef{},
		builder: array.NewRecordBuilder(memory.DefaultAllocator, columns.Schema()),
	}
	for id := range lines.winning() {
		for id = lines.valuesBelow(id); id >= 0 && !p.member[id]; id = lines.valuesBelow(id) {
			p.member[id] = true
		}
	}
	return p
}

func (p *patcher) close() {
	p.builder.Release()
	if p.held != nil {
		p.held.Release()
	}
}

// take gives whole winners to emit at once and holds the other rows back.
func (p *patcher) take(rows Rows, ids []int64, emit func(arrow.RecordBatch, []int64) error) error {
	var whole, hold []int
	var wholeIDs []int64
	for i, id := range ids {
		gap := rows.gap(i)
		if gap == nil && p.lines.wins(id) {
			whole = append(whole, i)
			wholeIDs = append(wholeIDs, id)
		}
		if gap == nil && !p.member[id] {
			continue
		}
		p.heldAt[id] = len(p.gaps)
		p.gaps = append(p.gaps, gap)
		hold = append(hold, i)
		if gap != nil && p.lines.wins(id) {
			p.todo = append(p.todo, id)
		}
	}
	for c := range int(rows.Record.NumCols()) {
		add, err := cells.Appender(p.builder.Field(c), rows.Record.Column(c))
		if err != nil {
			return err
		}
		for _, i := range hold {
			add(i)
		}
	}
	if len(whole) == 0 {
		return nil
	}
	if len(whole) == len(ids) {
		return emit(rows.Record, wholeIDs)
	}
	rec, err := cells.Take(memory.DefaultAllocator, rows.Record, whole)
	if err != nil {
		return err
	}
	defer rec.Release()
	return emit(rec, wholeIDs)
}

// gap returns which columns of the row were not supplied; nil if all were.
func (r Rows) gap(row int) []bool {
	var gap []bool
	for c, u := range r.Unsupplied {
		if u != nil && u[row] {
			if gap == nil {
				gap = make([]bool, len(r.Unsupplied))
			}
			gap[c] = true
		}
	}
	return gap
}

// next returns a batch of completed rows and their changes, nil at the end.
func (p *patcher) next() (arrow.RecordBatch, []int64, error) {
	p.hold()
	n := min(len(p.todo), 4096)
	if n == 0 {
		return nil, nil, nil
	}
	ids := p.todo[:n]
	p.todo = p.todo[n:]
	clear(p.table)
	for c := range int(p.held.NumCols()) {
		add, err := cells.Appender(p.builder.Field(c), p.held.Column(c))
		if err != nil {
			return nil, nil, err
		}
		for _, id := range ids {
			if at := p.resolve(cell{id, c}); at >= 0 {
				add(at)
			} else {
				p.builder.Field(c).AppendNull()
			}
		}
	}
	return p.builder.NewRecordBatch(), ids, nil
}

// hold ends the taking in of rows.
func (p *patcher) hold() {
	if p.held == nil {
		p.held = p.builder.NewRecordBatch()
	}
}

// lacks reports whether a change, whose held row is given, has or leaves a null in a
// column by its own doing.
func (p *patcher) lacks(id int64, row, col int) bool {
	if p.gaps[row] == nil || !p.gaps[row][col] {
		return p.held.Column(col).IsNull(row)
	}
	return p.resolve(cell{id, col}) < 0 && !p.suppliedByTable(id, col)
}

// resolve returns the held row that supplies a cell, or -1 where that is the
// table, which it notes, or nobody.
func (p *patcher) resolve(at cell) int {
	for id := at.id; ; {
		row := p.heldAt[id]
		if p.gaps[row] == nil || !p.gaps[row][at.col] {
			return row
		}
		if below := p.lines.valuesBelow(id); below >= 0 {
			id = below
			continue
		}
		if ref, ok := p.lines.committedBelow(id); ok {
			p.table[at] = ref
		}
		return -1
	}
}

// suppliedByTable reports whether the committed row supplies the cell.
func (p *patcher) suppliedByTable(id int64, col int) bool {
	_, ok := p.table[cell{id, col}]
	return ok
}

// fromTable returns rec, which holds the transformed rows of ids, with the cells
// that the committed rows supply. A committed value has been transformed when
// it was written; it is found by the column's name.
func (p *patcher) fromTable(rec arrow.RecordBatch, ids []int64) (arrow.RecordBatch, error) {
	cols := make([]arrow.Array, rec.NumCols())
	defer func() {
		for _, c := range cols {
			if c != nil {
				c.Release()
			}
		}
	}()
	for i, f := range rec.Schema().Fields() {
		c := p.columns.Index(f.Name)
		col, err := p.column(rec.Column(i), f, c, ids)
		if err != nil {
			return nil, err
		}
		cols[i] = col
	}
	return array.NewRecordBatch(rec.Schema(), cols, rec.NumRows()), nil
}

func (p *patcher) column(a arrow.Array, f arrow.Field, c int, ids []int64) (arrow.Array, error) {
	patched := false
	for _, id := range ids {
		if _, patched = p.table[cell{id, c}]; patched {
			break
		}
	}
	if !patched {
		a.Retain()
		return a, nil
	}
	b := array.NewBuilder(memory.DefaultAllocator, f.Type)
	defer b.Release()
	own, err := cells.Appender(b, a)
	if err != nil {
		return nil, err
	}
	adders := map[arrow.RecordBatch]func(int){}
	for i, id := range ids {
		ref, ok := p.table[cell{id, c}]
		if !ok {
			own(i)
			continue
		}
		add := adders[ref.record]
		if add == nil {
			idx := ref.record.Schema().FieldIndices(f.Name)
			if len(idx) != 1 {
				b.AppendNull()
				continue
			}
			if add, err = cells.Appender(b, ref.record.Column(idx[0])); err != nil {
				return nil, err
			}
			adders[ref.record] = add
		}
		add(ref.row)
	}
	return b.NewArray(), nil
}
