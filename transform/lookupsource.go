package transform

import (
	"bytes"
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"

	"github.com/tidemark-data/etl"
	"github.com/tidemark-data/etl/internal/textconv"
)

// LookupSource is what [Lookup] looks rows up in. Implementations are safe for
// concurrent use. One that is an [etl.Declarer] can be read by other engines.
type LookupSource interface {
	// Columns are those that Load returns. It is called before any row is read.
	Columns() etl.Columns
	// Load reads all rows, as they are now. The batch is not released.
	Load(ctx context.Context) (arrow.RecordBatch, error)
}

// LookupFunc is a source made of a function, as one that asks a service. It runs in Go
// only.
type LookupFunc struct {
	Cols etl.Columns
	Func func(ctx context.Context) (arrow.RecordBatch, error)
}

var _ LookupSource = LookupFunc{}

// Columns implements [LookupSource].
func (f LookupFunc) Columns() etl.Columns { return f.Cols }

// Load implements [LookupSource].
func (f LookupFunc) Load(ctx context.Context) (arrow.RecordBatch, error) { return f.Func(ctx) }

// LookupRows are rows in memory, as text: a value for each column, as in a file.
// The empty text is null.
type LookupRows struct {
	Cols etl.Columns
	Rows [][]string
}

var (
	_ LookupSource = LookupRows{}
	_ etl.Declarer = LookupRows{}
)

// Columns implements [LookupSource].
func (r LookupRows) Columns() etl.Columns { return slices.Clone(r.Cols) }

// Load implements [LookupSource].
func (r LookupRows) Load(ctx context.Context) (arrow.RecordBatch, error) {
	b, err := newTextRows(r.Cols)
	if err != nil {
		return nil, err
	}
	for i, row := range r.Rows {
		if len(row) != len(r.Cols) {
			return nil, fmt.Errorf("row %d has %d values, not %d", i+1, len(row), len(r.Cols))
		}
		if err := b.add(row); err != nil {
			return nil, err
		}
	}
	return b.batch(), ctx.Err()
}

// Declare implements [etl.Declarer].
func (r LookupRows) Declare() (etl.Declaration, error) {
	return etl.Declaration{Kind: "rows", Options: map[string]any{"columns": declaredColumns(r.Cols), "rows": r.Rows}}, nil
}

// LookupCSV is a CSV file (RFC 4180, UTF-8, with a header) of at most
// MaxLookupFile bytes. Columns that the header has and Cols has not are left out.
// The empty text is null.
type LookupCSV struct {
	Path string
	Cols etl.Columns
}

// MaxLookupFile is the greatest size of a [LookupCSV].
const MaxLookupFile = 256 << 20

var (
	_ LookupSource = LookupCSV{}
	_ etl.Declarer = LookupCSV{}
)

// Columns implements [LookupSource].
func (f LookupCSV) Columns() etl.Columns { return slices.Clone(f.Cols) }

// Declare implements [etl.Declarer].
func (f LookupCSV) Declare() (etl.Declaration, error) {
	return etl.Declaration{Kind: "csv", Options: map[string]any{"path": f.Path, "columns": declaredColumns(f.Cols)}}, nil
}

// Load implements [LookupSource].
func (f LookupCSV) Load(ctx context.Context) (arrow.RecordBatch, error) {
	file, err := os.Open(f.Path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = file.Close() }()
	text, err := io.ReadAll(io.LimitReader(file, MaxLookupFile+1))
	if err != nil {
		return nil, err
	}
	if len(text) > MaxLookupFile {
		return nil, etl.WithOutcome(etl.Terminal, fmt.Errorf("%s: longer than %d bytes", f.Path, MaxLookupFile))
	}
	rec, err := f.read(csv.NewReader(bytes.NewReader(bytes.TrimPrefix(text, []byte("\ufeff")))))
	if err != nil {
		return nil, etl.WithOutcome(etl.Terminal, fmt.Errorf("%s: %w", f.Path, err))
	}
	return rec, ctx.Err()
}

func (f LookupCSV) read(r *csv.Reader) (arrow.RecordBatch, error) {
	header, err := r.Read()
	if err != nil {
		return nil, errors.New("no header")
	}
	at := make([]int, len(f.Cols))
	for i, c := range f.Cols {
		if at[i] = slices.Index(header, c.Name); at[i] < 0 {
			return nil, fmt.Errorf("no column %s in the header", c.Name)
		}
	}
	b, err := newTextRows(f.Cols)
	if err != nil {
		return nil, err
	}
	r.ReuseRecord = true
	values := make([]string, len(at))
	for {
		row, err := r.Read()
		if errors.Is(err, io.EOF) {
			return b.batch(), nil
		}
		if err != nil {
			var pe *csv.ParseError
			if errors.As(err, &pe) {
				return nil, fmt.Errorf("line %d: %w", pe.Line, pe.Err)
			}
			return nil, err
		}
		for i, from := range at {
			values[i] = row[from]
		}
		if err := b.add(values); err != nil {
			return nil, err
		}
	}
}

// textRows collects rows of text.
type textRows struct {
	cols     etl.Columns
	builders []textconv.Builder
	n        int64
}

func newTextRows(cols etl.Columns) (*textRows, error) {
	t := &textRows{cols: cols}
	for _, c := range cols {
		b, err := textconv.New(c)
		if err != nil {
			return nil, err
		}
		t.builders = append(t.builders, b)
	}
	return t, nil
}

func (t *textRows) add(row []string) error {
	t.n++
	for i, b := range t.builders {
		if row[i] == "" {
			b.AppendNull()
		} else if rule := b.Append([]byte(row[i])); rule != "" {
			return fmt.Errorf("row %d: column %s: %s", t.n, t.cols[i].Name, rule)
		}
	}
	return nil
}

func (t *textRows) batch() arrow.RecordBatch {
	cols := make([]arrow.Array, len(t.builders))
	for i, b := range t.builders {
		cols[i] = b.NewArray()
	}
	return array.NewRecordBatch(t.cols.Schema(), cols, t.n)
}

// declaredColumns are columns as JSON can hold them, in their order.
func declaredColumns(cols etl.Columns) []any {
	out := []any{}
	for _, c := range cols {
		m := map[string]any{"name": c.Name, "type": c.Type.String()}
		if c.Format != "" {
			m["format"] = c.Format
		}
		if c.Zone != "" {
			m["zone"] = c.Zone
		}
		out = append(out, m)
	}
	return out
}
