package format

import (
	"fmt"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"

	etl "github.com/tidemark-data/etl"
)

// convert appends the wanted fields of the current record.
func (s *csvScan) convert() error {
	if n := s.split.fieldsUpTo(s.need); n != s.width {
		return s.bad(s.row, "", fmt.Sprintf("has %d fields, expected %d", n, s.width))
	}
	if len(s.split.line) > s.csv.MaxFieldBytes {
		if err := s.checkFieldLengths(); err != nil {
			return err
		}
	}
	for i := range s.columns {
		if rule := s.field(i); rule != "" {
			return s.bad(s.row, s.req.Columns[i].Name, rule)
		}
	}
	s.numbers = append(s.numbers, s.row)
	s.taken += len(s.split.line)
	return nil
}

func (s *csvScan) checkFieldLengths() error {
	s.split.fieldsUpTo(s.width)
	for _, f := range s.split.fields {
		if f.end-f.start > s.csv.MaxFieldBytes {
			return s.bad(s.row, "", fmt.Sprintf("field is longer than %d bytes", s.csv.MaxFieldBytes))
		}
	}
	return nil
}

// field appends the value of wanted column i.
func (s *csvScan) field(i int) (rule string) {
	col := &s.columns[i]
	if col.at < 0 {
		if col.at == absentUnsupplied {
			s.markUnsupplied(i)
		}
		col.builder.AppendNull()
		return ""
	}
	f := s.split.fields[col.at]
	if f.quoted {
		if f.start == f.end && !col.textual {
			col.builder.AppendNull()
			return ""
		}
		return col.builder.Append(s.value(f))
	}
	text := s.split.line[f.start:f.end]
	switch {
	case s.csv.NotSupplied != nil && string(text) == *s.csv.NotSupplied:
		if s.req.Kind != etl.Full {
			s.markUnsupplied(i)
		}
		col.builder.AppendNull()
		return ""
	case len(text) == 0 || string(text) == s.csv.Null:
		col.builder.AppendNull()
		return ""
	}
	return col.builder.Append(text)
}

// value returns the field's text, which is valid until the next call.
func (s *csvScan) value(f field) []byte {
	text := s.split.line[f.start:f.end]
	if !f.escaped {
		return text
	}
	s.scratch = s.scratch[:0]
	for i := 0; i < len(text); i++ {
		s.scratch = append(s.scratch, text[i])
		if text[i] == s.csv.Quote {
			i++ // the second of a doubled quote
		}
	}
	return s.scratch
}

// markUnsupplied is called before the value of the row is appended.
func (s *csvScan) markUnsupplied(i int) {
	if s.unsupplied == nil {
		s.unsupplied = make([][]bool, len(s.columns))
	}
	if s.unsupplied[i] == nil {
		s.unsupplied[i] = make([]bool, batchRows)
	}
	s.unsupplied[i][len(s.numbers)] = true
}

// flush yields the batch, if it has rows.
func (s *csvScan) flush(yield func(etl.Rows, error) bool) bool {
	n := len(s.numbers)
	if n == 0 {
		return true
	}
	arrays := make([]arrow.Array, len(s.columns))
	for i := range s.columns {
		arrays[i] = s.columns[i].builder.NewArray()
		if arrays[i].Len() > n { // with a value of the bad record that ends the scan
			whole := arrays[i]
			arrays[i] = array.NewSlice(whole, 0, int64(n))
			whole.Release()
		}
	}
	for i, u := range s.unsupplied {
		if u != nil {
			s.unsupplied[i] = u[:n]
		}
	}
	rows := etl.Rows{
		Record:     array.NewRecordBatch(s.schema, arrays, int64(n)),
		Numbers:    s.numbers,
		Unsupplied: s.unsupplied,
	}
	for _, a := range arrays {
		a.Release()
	}
	s.numbers, s.unsupplied, s.taken = make([]int64, 0, n), nil, 0
	defer rows.Record.Release()
	return yield(rows, nil)
}
