package etl

import (
	"context"
	"iter"
	"slices"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/tidemark-data/etl/internal/cells"
)

// fileShape says how a file is read that differs from the declaration.
type fileShape struct {
	kind  LoadKind
	anyOf string            // a column that the file has for certain, or ""
	names map[string]string // by column: its name in the file; "" is absent
	types map[string]Type   // by column: its type in the file, of which not every value fits
	texts map[string]Type   // by column of text: the type that it is written from
	// sparse are columns that single records of the file lack.
	sparse map[string]bool
	// guards are columns of the file that no row may have a value in.
	guards  []Column
	columns Columns // of the table
}

func newFileShape(t Table, kind LoadKind) *fileShape {
	s := &fileShape{kind: kind, names: map[string]string{}, types: map[string]Type{}, texts: map[string]Type{}, sparse: map[string]bool{}, columns: t.Columns}
	if len(t.Key) > 0 {
		s.anyOf = t.Key[0]
	}
	return s
}

// orNil is nil for a shape as declared.
func (s *fileShape) orNil() *fileShape {
	if len(s.names)+len(s.types)+len(s.texts)+len(s.sparse)+len(s.guards) == 0 {
		return nil
	}
	return s
}

// partial reports whether rows of the file leave columns unsupplied.
func (s *fileShape) partial() bool {
	if s == nil || s.kind == Full {
		return false
	}
	for _, name := range s.names {
		if name == "" {
			return true
		}
	}
	return len(s.sparse) > 0
}

func (c *Changes) shapedPartial() bool {
	return slices.ContainsFunc(c.shapes, func(s *fileShape) bool { return s.partial() })
}

// shaped is a format by which a file is read as its shape says.
func (c *Changes) shaped(file int, f Format) Format {
	if file >= len(c.shapes) || c.shapes[file] == nil {
		return f
	}
	s := shapedFormat{f, c.shapes[file]}
	raw, isRaw := f.(RawFormat)
	chunked, isChunked := f.(ChunkedFormat)
	switch {
	case isRaw && isChunked:
		return struct {
			shapedChunks
			shapedRaw
			Format
		}{shapedChunks{s, chunked}, shapedRaw{s, raw}, s}
	case isChunked:
		return struct {
			shapedChunks
			Format
		}{shapedChunks{s, chunked}, s}
	case isRaw:
		return struct {
			shapedRaw
			Format
		}{shapedRaw{s, raw}, s}
	}
	return s
}

type shapedFormat struct {
	format Format
	shape  *fileShape
}

// Partial implements [Format].
func (f shapedFormat) Partial(kind LoadKind) bool { return f.format.Partial(kind) || f.shape.partial() }

// Scan implements [Format].
func (f shapedFormat) Scan(ctx context.Context, in Input, req ScanRequest) iter.Seq2[Rows, error] {
	inner, v := f.shape.request(req)
	return v.rows(f.format.Scan(ctx, in, inner))
}

// shapedChunks adds what a [ChunkedFormat] can.
type shapedChunks struct {
	own    shapedFormat
	format ChunkedFormat
}

// Chunks implements [ChunkedFormat].
func (f shapedChunks) Chunks(ctx context.Context, in Input, req ScanRequest, known []Chunk) (ChunkScan, error) {
	inner, v := f.own.shape.request(req)
	scan, err := f.format.Chunks(ctx, in, inner, known)
	if err != nil {
		return nil, err
	}
	return shapedScan{scan, v}, nil
}

type shapedScan struct {
	ChunkScan
	view *shapedView
}

// Scan implements [ChunkScan].
func (s shapedScan) Scan(ctx context.Context, c Chunk) iter.Seq2[Rows, error] {
	return s.view.rows(s.ChunkScan.Scan(ctx, c))
}

// shapedRaw adds what a [RawFormat] can.
type shapedRaw struct {
	own    shapedFormat
	format RawFormat
}

// Raw implements [RawFormat].
func (f shapedRaw) Raw(ctx context.Context, in Input, req ScanRequest) iter.Seq2[RawRecord, error] {
	inner, _ := f.own.shape.request(req)
	return f.format.Raw(ctx, in, inner)
}

// Mended implements [RawFormat].
func (f shapedRaw) Mended() Format { return f.format.Mended() }

// shapedView makes the rows that were asked for of those that a file gives.
type shapedView struct {
	shape *fileShape
	req   ScanRequest
	from  []int // by column asked for: that of the file; -1 is absent
	guard int   // index of the first guard
	inner []ScanColumn
}

// request is what to ask of the file itself.
func (s *fileShape) request(req ScanRequest) (ScanRequest, *shapedView) {
	v := &shapedView{shape: s, req: req}
	for _, want := range req.Columns {
		name, renamed := s.names[want.Name]
		if renamed && name == "" {
			v.from = append(v.from, -1)
			continue
		}
		if renamed {
			want.Name = name
		}
		own := v.req.Columns[len(v.from)].Name
		if t, other := s.types[own]; other {
			want.Type = t
		}
		if t, other := s.texts[own]; other {
			want.Type = t
		}
		want.Sparse = s.sparse[own]
		v.from = append(v.from, len(v.inner))
		v.inner = append(v.inner, want)
	}
	v.guard = len(v.inner)
	for _, g := range s.guards {
		v.inner = append(v.inner, ScanColumn{Column: g, Optional: true})
	}
	if i := s.columns.Index(s.anyOf); len(v.inner) == 0 && i >= 0 {
		v.inner, v.guard = append(v.inner, ScanColumn{Column: s.columns[i]}), 1
	}
	inner := req
	inner.Columns = v.inner
	return inner, v
}

func (v *shapedView) rows(from iter.Seq2[Rows, error]) iter.Seq2[Rows, error] {
	return func(yield func(Rows, error) bool) {
		for in, err := range from {
			if err != nil {
				yield(Rows{}, err)
				return
			}
			out, err := v.batch(in)
			if err != nil {
				yield(Rows{}, err)
				return
			}
			more := yield(out, nil)
			out.Record.Release()
			if !more {
				return
			}
		}
	}
}

// batch makes one batch; the caller releases it.
func (v *shapedView) batch(in Rows) (Rows, error) {
	n := len(in.Numbers)
	fields := make([]arrow.Field, len(v.from))
	cols := make([]arrow.Array, len(v.from))
	out := Rows{Numbers: in.Numbers, Bad: in.Bad}
	bad := map[int]*RowError{}
	for i, at := range v.from {
		want := v.req.Columns[i]
		fields[i] = arrow.Field{Name: want.Name, Type: want.Type.Arrow(), Nullable: true}
		_, other := v.shape.types[want.Name]
		_, text := v.shape.texts[want.Name]
		switch {
		case at < 0:
			cols[i] = array.MakeArrayOfNull(memory.DefaultAllocator, fields[i].Type, n)
			if v.shape.kind != Full {
				out.unsupply(i, len(v.from), slices.Repeat([]bool{true}, n))
			}
		case text:
			cols[i] = v.write(in.Record.Column(at), want.Name, in.Numbers, bad)
		case other:
			cols[i] = v.narrow(in.Record.Column(at), want, in.Numbers, bad)
		default:
			cols[i] = in.Record.Column(at)
			cols[i].Retain()
		}
		if at >= 0 && in.Unsupplied != nil && in.Unsupplied[at] != nil {
			out.unsupply(i, len(v.from), in.Unsupplied[at])
		}
	}
	for g := range v.shape.guards {
		v.check(in.Record.Column(v.guard+g), v.shape.guards[g].Name, in.Numbers, bad)
	}
	out.Record = array.NewRecordBatch(arrow.NewSchema(fields, nil), cols, int64(n))
	for _, c := range cols {
		c.Release()
	}
	if len(bad) == 0 {
		return out, nil
	}
	return v.setAside(out, bad)
}

func (r *Rows) unsupply(column, columns int, rows []bool) {
	if r.Unsupplied == nil {
		r.Unsupplied = make([][]bool, columns)
	}
	r.Unsupplied[column] = rows
}

// setAside takes bad rows out of a batch, or ends the scan with the first one.
func (v *shapedView) setAside(rows Rows, bad map[int]*RowError) (Rows, error) {
	defer rows.Record.Release()
	var stay []int
	out := Rows{Bad: slices.Clone(rows.Bad)}
	for i, n := range rows.Numbers {
		err := bad[i]
		if err == nil {
			stay, out.Numbers = append(stay, i), append(out.Numbers, n)
			continue
		}
		if !v.req.Tolerant {
			return Rows{}, err
		}
		out.Bad = append(out.Bad, BadRecord{Number: n, Err: err})
	}
	slices.SortFunc(out.Bad, func(a, b BadRecord) int { return int(a.Number - b.Number) })
	for c, u := range rows.Unsupplied {
		if u == nil {
			continue
		}
		some := make([]bool, len(stay))
		for i, at := range stay {
			some[i] = u[at]
		}
		out.unsupply(c, len(rows.Unsupplied), some)
	}
	var err error
	out.Record, err = cells.Take(memory.DefaultAllocator, rows.Record, stay)
	return out, err
}
