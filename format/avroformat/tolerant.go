package avroformat

import (
	"errors"

	etl "github.com/tidemark-data/etl"
	"github.com/tidemark-data/etl/internal/scanned"
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
	bad := s.bad
	s.bad = nil
	return scanned.LeaveErrors(rows, bad)
}
