package profile

import (
	"context"
	"database/sql"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"iter"
	"strconv"
	"strings"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"

	"github.com/tidemark-data/etl"
	"github.com/tidemark-data/etl/internal/textconv"
)

// SQL is the result of a query, as of the database that a table was migrated from. Its
// columns are found by their names, or else by their names whatever the case, and are
// read as the types of the table's columns. Others are passed over.
type SQL struct {
	// DB is a *sql.DB, *sql.Conn or *sql.Tx: with a read-only transaction the
	// figures are those of one moment.
	DB interface {
		QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
	}
	Query string
	Args  []any
}

var _ Source = SQL{}

// sqlBatch is how many rows are handed on at a time, if they are not larger than
// sqlBytes.
const (
	sqlBatch = 4096
	sqlBytes = 8 << 20
)

// Rows implements [Source].
func (s SQL) Rows(ctx context.Context, columns etl.Columns) iter.Seq2[arrow.RecordBatch, error] {
	return func(yield func(arrow.RecordBatch, error) bool) {
		rows, err := s.DB.QueryContext(ctx, s.Query, s.Args...)
		if err != nil {
			yield(nil, fmt.Errorf("query: %w", err))
			return
		}
		defer func() { _ = rows.Close() }()
		r, err := newSQLReader(rows, columns)
		if err != nil {
			yield(nil, err)
			return
		}
		for rows.Next() {
			if err := r.read(rows); err != nil {
				yield(nil, err)
				return
			}
			if r.full() && !yield(r.batch(), nil) {
				return
			}
		}
		if err := rows.Err(); err != nil {
			yield(nil, fmt.Errorf("query, after row %d: %w", r.row, err))
			return
		}
		if r.pending > 0 {
			yield(r.batch(), nil)
		}
	}
}

// sqlReader makes batches of rows.
type sqlReader struct {
	columns  etl.Columns // those that the result has
	builders []textconv.Builder
	values   []any // of all columns of the result
	targets  []any
	at       []int // of columns among them
	row      int64
	pending  int64
}

func newSQLReader(rows *sql.Rows, columns etl.Columns) (*sqlReader, error) {
	names, err := rows.Columns()
	if err != nil {
		return nil, fmt.Errorf("query: %w", err)
	}
	r := &sqlReader{values: make([]any, len(names)), targets: make([]any, len(names))}
	for i := range r.values {
		r.targets[i] = &r.values[i]
	}
	for _, c := range columns {
		at := columnAt(names, c.Name)
		if at < 0 {
			continue
		}
		c.Format = "" // of text in files
		b, err := textconv.New(c)
		if err != nil {
			return nil, err
		}
		r.columns, r.builders, r.at = append(r.columns, c), append(r.builders, b), append(r.at, at)
	}
	return r, nil
}

func columnAt(names []string, name string) int {
	fold := -1
	for i, n := range names {
		if n == name {
			return i
		}
		if fold < 0 && strings.EqualFold(n, name) {
			fold = i
		}
	}
	return fold
}

func (r *sqlReader) read(rows *sql.Rows) error {
	r.row++
	r.pending++
	if err := rows.Scan(r.targets...); err != nil {
		return fmt.Errorf("query, row %d: %w", r.row, err)
	}
	for i, b := range r.builders {
		v := r.values[r.at[i]]
		if v == nil {
			b.AppendNull()
			continue
		}
		text, ok := sqlText(v, r.columns[i].Type)
		if !ok {
			return &etl.RowError{File: "query", Row: r.row, Column: r.columns[i].Name, Rule: fmt.Sprintf("is a %T", v)}
		}
		if rule := b.Append(text); rule != "" {
			return &etl.RowError{File: "query", Row: r.row, Column: r.columns[i].Name, Rule: rule}
		}
	}
	return nil
}

// sqlText writes a value of a driver as files have it.
func sqlText(v any, t etl.Type) ([]byte, bool) {
	switch x := v.(type) {
	case string:
		return raw([]byte(x), t), true
	case []byte:
		return raw(x, t), true
	case int64:
		return strconv.AppendInt(nil, x, 10), true
	case float64:
		return strconv.AppendFloat(nil, x, 'g', -1, 64), true
	case bool:
		return strconv.AppendBool(nil, x), true
	case time.Time:
		switch t {
		case etl.Date:
			return x.AppendFormat(nil, time.DateOnly), true
		case etl.Timestamp: // as the clock shows it
			return x.AppendFormat(nil, "2006-01-02 15:04:05.999999"), true
		default:
			return x.AppendFormat(nil, "2006-01-02T15:04:05.999999Z07:00"), true
		}
	}
	return nil, false
}

// raw writes bytes of columns that files have as text of another kind.
func raw(b []byte, t etl.Type) []byte {
	switch {
	case t == etl.Binary:
		return base64.StdEncoding.AppendEncode(nil, b)
	case t == etl.UUID && len(b) == 16:
		return hex.AppendEncode(nil, b)
	}
	return b
}

func (r *sqlReader) full() bool {
	size := 0
	for _, b := range r.builders {
		size += b.Bytes()
	}
	return r.pending >= sqlBatch || size >= sqlBytes
}

func (r *sqlReader) batch() arrow.RecordBatch {
	cols := make([]arrow.Array, len(r.builders))
	for i, b := range r.builders {
		cols[i] = b.NewArray()
	}
	n := r.pending
	r.pending = 0
	return array.NewRecordBatch(r.columns.Schema(), cols, n)
}
