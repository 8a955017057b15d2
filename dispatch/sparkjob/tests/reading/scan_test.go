//go:build spark

package reading

import (
	"bytes"
	"context"
	"slices"
	"strconv"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"

	"github.com/tidemark-data/etl"
)

const location = "s/t/file"

// bytesInput is a file in memory.
type bytesInput struct{ *bytes.Reader }

func (bytesInput) Close() error  { return nil }
func (m bytesInput) Size() int64 { return m.Reader.Size() }

// outcome is what both readers make of a file.
type outcome struct {
	// First are the rows of the first pass: number, operation, key, old key, order.
	First [][]*string `json:"first"`
	// Rows are those that were picked, with all columns; Unsupplied tells which
	// columns of which of them were not supplied.
	Rows       [][]*string `json:"rows"`
	Unsupplied [][]int     `json:"unsupplied"`
	// Error ended one of the passes.
	Error *mistake `json:"error"`
	Pass  int      `json:"pass"`
}

// engine reads a file as the engine does (keypass.go, winners.go).
func engine(t *testing.T, table etl.Table, kind etl.LoadKind, data []byte, picked []int64) outcome {
	t.Helper()
	var out outcome
	first, err := firstPass(table, kind, data)
	if err != nil {
		out.Error, out.Pass = mistakeOf(err), 1
		return out
	}
	out.First = first
	if len(picked) == 0 {
		return out
	}
	if err := out.secondPass(table, kind, data, picked); err != nil {
		return outcome{Error: mistakeOf(err), Pass: 2}
	}
	return out
}

func scanFile(table etl.Table, data []byte, req etl.ScanRequest, take func(etl.Rows) error) error {
	req.Location = location
	for rows, err := range table.Format.Scan(context.Background(), bytesInput{bytes.NewReader(data)}, req) {
		if err != nil {
			return err
		}
		if err := take(rows); err != nil {
			return err
		}
	}
	return nil
}

// keyed is the first pass over one file.
type keyed struct {
	table   etl.Table
	kind    etl.LoadKind
	columns []etl.ScanColumn
	op, old int // where they begin in columns; -1 is nowhere
	rows    [][]*string
}

func firstPass(table etl.Table, kind etl.LoadKind, data []byte) ([][]*string, error) {
	k := newKeyed(table, kind)
	err := scanFile(table, data, etl.ScanRequest{Kind: kind, Columns: k.columns}, k.batch)
	if err == nil && len(k.rows) == 0 && !table.AllowEmpty && partOf(table, kind) == "" {
		err = &etl.RowError{File: location, Rule: "file has no rows"}
	}
	return k.rows, err
}

// newKeyed is about to read the columns of the first pass.
func newKeyed(table etl.Table, kind etl.LoadKind) *keyed {
	k := &keyed{table: table, kind: kind, op: -1, old: -1}
	for _, name := range slices.Concat(table.Key, table.OrderBy) {
		k.columns = append(k.columns, etl.ScanColumn{Column: table.Columns[table.Columns.Index(name)]})
	}
	if table.Op.Column != "" {
		k.op = len(k.columns)
		k.columns = append(k.columns, etl.ScanColumn{Column: etl.Column{Name: table.Op.Column, Type: etl.String}, Optional: kind == etl.Full})
	}
	if len(table.OldKey) > 0 && kind != etl.Full {
		k.old = len(k.columns)
		for i, name := range table.OldKey {
			col := k.columns[i].Column
			col.Name = name
			k.columns = append(k.columns, etl.ScanColumn{Column: col, Optional: true})
		}
	}
	return k
}

func (k *keyed) batch(rows etl.Rows) error {
	cols := rows.Record.Columns()
	for i, n := range rows.Numbers {
		bad := func(column int, rule string) error {
			return &etl.RowError{File: location, Row: n, Column: k.columns[column].Name, Rule: rule}
		}
		for c := range k.table.Key {
			if cols[c].IsNull(i) {
				return bad(c, "key is null")
			}
		}
		op := etl.Upsert
		switch {
		case k.op < 0 || cols[k.op].IsNull(i) && k.kind == etl.Full:
		case cols[k.op].IsNull(i):
			return bad(k.op, "operation is null")
		default:
			if op = k.table.Op.Codes[cols[k.op].(*array.String).Value(i)]; op == 0 {
				return bad(k.op, "unknown operation")
			}
		}
		k.rows = append(k.rows, k.row(cols, i, n, op))
	}
	return nil
}

func (k *keyed) row(cols []arrow.Array, i int, n int64, op etl.Op) []*string {
	number, code := strconv.FormatInt(n, 10), strconv.Itoa(int(op))
	row := []*string{&number, &code}
	keys, orders := len(k.table.Key), len(k.table.OrderBy)
	key := cellsOf(cols[:keys], i)
	row = append(row, key...)
	if k.old >= 0 {
		old := cellsOf(cols[k.old:k.old+keys], i)
		same := slices.EqualFunc(old, key, func(a, b *string) bool { return a != nil && *a == *b })
		if op == etl.Delete || slices.Contains(old, nil) || same {
			old = make([]*string, keys)
		}
		row = append(row, old...)
	}
	return append(row, cellsOf(cols[keys:keys+orders], i)...)
}

func cellsOf(cols []arrow.Array, i int) []*string {
	out := make([]*string, len(cols))
	for c, a := range cols {
		if a.IsValid(i) {
			text := cellOf(a, i)
			out[c] = &text
		}
	}
	return out
}

func (o *outcome) secondPass(table etl.Table, kind etl.LoadKind, data []byte, picked []int64) error {
	req := etl.ScanRequest{Kind: kind, Select: func(row int64) bool { return slices.Contains(picked, row) }}
	for _, col := range table.Columns {
		req.Columns = append(req.Columns, etl.ScanColumn{Column: col})
	}
	rowwise := delimited(table.Format)
	return scanFile(table, data, req, func(rows etl.Rows) error {
		if err := required(table, rows, rowwise); err != nil {
			return err
		}
		for i := range rows.Numbers {
			o.Rows = append(o.Rows, cellsOf(rows.Record.Columns(), i))
			gap := []int{}
			for c, u := range rows.Unsupplied {
				if u != nil && u[i] {
					gap = append(gap, c)
				}
			}
			o.Unsupplied = append(o.Unsupplied, gap)
		}
		return nil
	})
}

// required looks for nulls. The engine goes column by column through a batch, which
// several tasks cannot do for delimited text; the first row is taken instead.
func required(table etl.Table, rows etl.Rows, rowwise bool) error {
	var first *etl.RowError
	for c, col := range table.Columns {
		for i, n := range rows.Numbers {
			if col.Required && rows.Record.Column(c).IsNull(i) && (first == nil || rowwise && n < first.Row) {
				first = &etl.RowError{File: location, Row: n, Column: col.Name, Rule: "required value is null"}
			}
		}
	}
	if first == nil {
		return nil
	}
	return first
}
