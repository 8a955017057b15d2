package avroformat

import (
	"errors"

	"github.com/apache/arrow-go/v18/arrow/memory"

	etl "github.com/tidemark-data/etl"
	"github.com/tidemark-data/etl/internal/cells"
)

// take converts a record. In a tolerant scan one that is bad is noted, and flush
// leaves it out.
func (s *scan) take(rec any) error {
	if s.keep != nil {
		return s.keep(rec)
	}
	err := s.record(rec)
	if err == nil || !s.req.Tolerant {
		return err
	}
	var re *etl.RowError
	if !errors.As(err, &re) {
		return err
	}
	row := len(s.numbers)
	for i := range s.columns {
		if s.columns[i].builder.Len() == row {
			s.columns[i].builder.AppendNull()
		}
	}
	if s.bad == nil {
		s.bad = map[int]*etl.RowError{}
	}
	s.bad[row] = re
	s.numbers = append(s.numbers, s.row)
	return nil
}

// leave takes the bad records out of a batch.
func (s *scan) leave(rows *etl.Rows) error {
	if len(s.bad) == 0 {
		return nil
	}
	var stay []int
	var numbers []int64
	for i, n := range rows.Numbers {
		if err := s.bad[i]; err != nil {
			rows.Bad = append(rows.Bad, etl.BadRecord{Number: n, Err: err})
			continue
		}
		stay, numbers = append(stay, i), append(numbers, n)
	}
	s.bad = nil
	rec, err := cells.Take(memory.DefaultAllocator, rows.Record, stay)
	if err != nil {
		return err
	}
	rows.Record.Release()
	rows.Record, rows.Numbers = rec, numbers
	for c, u := range rows.Unsupplied {
		if u == nil {
			continue
		}
		rows.Unsupplied[c] = make([]bool, len(stay))
		for i, at := range stay {
			rows.Unsupplied[c][i] = u[at]
		}
	}
	return nil
}
