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
	s.setAside(re)
	return nil
}

// setAside makes the record a bad one of the batch.
func (s *scan) setAside(re *etl.RowError) {
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
}

const (
	undecodable = "record cannot be decoded"
	behind      = "stands in its block behind a record that cannot be decoded"
)

// mostUndecodable is how many records of a block are set aside at most: what a block
// says of how many it has is not to be believed any more.
const mostUndecodable = 100_000

// lose passes over the last n records of a block, which cannot be told apart: where a
// record ends is known only to who can decode it. Who wants one of them is told that it
// is bad.
func (s *scan) lose(n int64, rest []byte, why error, flush func() error) error {
	lead := s.broken(why, undecodable)
	var bad *etl.RowError
	if !errors.As(lead, &bad) || n > mostUndecodable {
		return lead
	}
	for ; n > 0; n-- {
		s.row++
		if s.req.Select != nil && !s.req.Select(s.row) {
			continue
		}
		if s.row != bad.Row {
			bad = s.wrong(s.row, "", behind)
		}
		switch {
		case s.keep != nil:
			if err := s.keepLost(rest); err != nil {
				return err
			}
			rest = nil
		case !s.req.Tolerant:
			return bad
		default:
			s.setAside(bad)
			if err := flush(); err != nil {
				return err
			}
		}
	}
	return nil
}

// leave takes the bad records out of a batch.
func (s *scan) leave(rows *etl.Rows) error {
	bad := s.bad
	s.bad = nil
	return scanned.LeaveErrors(rows, bad)
}
