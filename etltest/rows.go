package etltest

import (
	"cmp"
	"context"
	"encoding/hex"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/extensions"

	"github.com/tidemark-data/etl"
)

// Scanner reads a table out of a sink.
type Scanner = etl.Scanner

// Rows are rows of a table, compared without regard to their order. A cell is
// nil for null, or any value whose [Text] is that of the column: 1, "1" and
// int64(1) are the same cell.
type Rows [][]any

// Text is the canonical text of a cell: integers in decimal, floats in their
// shortest form, binary in hexadecimal, timestamps in UTC as "2006-01-02
// 15:04:05.999999" and dates as "2006-01-02".
func Text(v any) string {
	switch x := v.(type) {
	case nil:
		return "null"
	case string:
		return x
	case []byte:
		return hex.EncodeToString(x)
	case time.Time:
		return x.UTC().Format("2006-01-02 15:04:05.999999")
	case float32:
		return strconv.FormatFloat(float64(x), 'g', -1, 32)
	case float64:
		return strconv.FormatFloat(x, 'g', -1, 64)
	default:
		return fmt.Sprint(x)
	}
}

// ReadRows reads a table in canonical form: cells are nil or their [Text].
func ReadRows(ctx context.Context, s Scanner, table string) (Rows, error) {
	rows := Rows{}
	for batch, err := range s.Scan(ctx, table) {
		if err != nil {
			return nil, err
		}
		for i := range int(batch.NumRows()) {
			row := make([]any, batch.NumCols())
			for j, col := range batch.Columns() {
				row[j] = Cell(col, i)
			}
			rows = append(rows, row)
		}
	}
	return rows.Sorted(), nil
}

// Cell returns value i of an array: nil for null, else its [Text].
func Cell(col arrow.Array, i int) any {
	if col.IsNull(i) {
		return nil
	}
	switch a := col.(type) {
	case *array.Timestamp:
		return Text(a.Value(i).ToTime(a.DataType().(*arrow.TimestampType).Unit))
	case *array.Date32:
		return a.Value(i).ToTime().UTC().Format("2006-01-02")
	case *array.Binary:
		return Text(a.Value(i))
	case *array.FixedSizeBinary:
		return Text(a.Value(i))
	case *array.Float32:
		return Text(a.Value(i))
	case *array.Float64:
		return Text(a.Value(i))
	case *extensions.UUIDArray:
		return a.Value(i).String()
	default:
		return a.ValueStr(i)
	}
}

// Sorted returns the rows with cells in canonical form and in a fixed order:
// by their columns, numbers by value.
func (r Rows) Sorted() Rows {
	sorted := make(Rows, len(r))
	for i, row := range r {
		sorted[i] = make([]any, len(row))
		for j, v := range row {
			if v != nil {
				sorted[i][j] = Text(v)
			}
		}
	}
	slices.SortFunc(sorted, compareRows)
	return sorted
}

// Diff describes how got differs from r, one row to a line; it is empty
// where they hold the same rows, each as many times.
func (r Rows) Diff(got Rows) string {
	w, g := r.Sorted(), got.Sorted()
	var missing, surplus Rows
	for len(w) > 0 || len(g) > 0 {
		switch {
		case len(g) == 0 || len(w) > 0 && compareRows(w[0], g[0]) < 0:
			missing, w = append(missing, w[0]), w[1:]
		case len(w) == 0 || compareRows(w[0], g[0]) > 0:
			surplus, g = append(surplus, g[0]), g[1:]
		default:
			w, g = w[1:], g[1:]
		}
	}
	if len(missing)+len(surplus) == 0 {
		return ""
	}
	return describe(missing, surplus, len(r), len(got))
}

// describe lists the differing rows in one sequence, so that the two versions
// of a row whose first columns are the key stand together.
func describe(missing, surplus Rows, want, got int) string {
	var b strings.Builder
	fmt.Fprintf(&b, "rows differ (- want %d, + got %d):\n", want, got)
	for n := 0; len(missing)+len(surplus) > 0; n++ {
		if n == 40 {
			fmt.Fprintf(&b, "  and %d more\n", len(missing)+len(surplus))
			break
		}
		if len(surplus) == 0 || len(missing) > 0 && compareRows(missing[0], surplus[0]) < 0 {
			b.WriteString("  - " + line(missing[0]))
			missing = missing[1:]
			continue
		}
		b.WriteString("  + " + line(surplus[0]))
		surplus = surplus[1:]
	}
	return b.String()
}

func line(row []any) string {
	cells := make([]string, len(row))
	for i, v := range row {
		if cells[i] = "null"; v != nil {
			cells[i] = strconv.Quote(Text(v))
		}
	}
	return strings.Join(cells, " | ") + "\n"
}

// compareRows orders rows in canonical form: nulls, then numbers, then text.
func compareRows(a, b []any) int { return slices.CompareFunc(a, b, compareCells) }

func compareCells(x, y any) int {
	s, xok := x.(string)
	t, yok := y.(string)
	if !xok || !yok {
		return int(count(xok) - count(yok))
	}
	i, err1 := strconv.ParseInt(s, 10, 64)
	j, err2 := strconv.ParseInt(t, 10, 64)
	switch {
	case err1 == nil && err2 == nil && i != j:
		return cmp.Compare(i, j)
	case (err1 == nil) != (err2 == nil):
		return int(count(err2 == nil) - count(err1 == nil))
	}
	return strings.Compare(s, t)
}
