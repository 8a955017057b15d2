package parquetformat

import (
	"context"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/parquet/pqarrow"
)

// groupReader reads the wanted columns of one row group.
type groupReader struct {
	reader  pqarrow.RecordReader // nil if no column is read
	columns []arrow.Array        // of the current batch
}

func (s *scan) groupReader(ctx context.Context, g int) (*groupReader, error) {
	r := &groupReader{}
	if len(s.leaves) == 0 {
		return r, nil
	}
	err := guard(func() (err error) {
		r.reader, err = s.arrow.GetRecordReader(ctx, s.leaves, []int{g})
		return err
	})
	return r, err
}

// next goes to the next batch and returns its number of rows, which is most if
// no column is read.
func (r *groupReader) next(most int64) (n int64, err error) {
	if r.reader == nil {
		return most, nil
	}
	err = guard(func() error {
		if !r.reader.Next() {
			if err := r.reader.Err(); err != nil {
				return err
			}
			return corrupt // fewer rows than the footer says
		}
		batch := r.reader.RecordBatch()
		n, r.columns = batch.NumRows(), batch.Columns()
		return nil
	})
	return n, err
}

func (r *groupReader) release() {
	if r.reader != nil {
		_ = guard(func() error { r.reader.Release(); return nil })
	}
}

// picker asks once for each row of a row group whether it is wanted.
type picker struct {
	want  func(row int64) bool
	base  int64
	first int64 // the first wanted row of the group, counted from 0
}

// any looks for the first wanted row.
func (p *picker) any(ctx context.Context, n int64) (bool, error) {
	if p.want == nil {
		return n > 0, nil
	}
	for p.first = 0; p.first < n; p.first++ {
		if p.first%(1<<20) == 0 && ctx.Err() != nil {
			return false, ctx.Err()
		}
		if p.want(p.base + p.first + 1) {
			return true, nil
		}
	}
	return false, nil
}

// rows returns which of the size rows after done are wanted, counted from 0.
func (p *picker) rows(done, size int64) []int {
	rows := make([]int, 0, size)
	for i := range size {
		row := done + i
		if p.want == nil || row == p.first || row > p.first && p.want(p.base+row+1) {
			rows = append(rows, int(i))
		}
	}
	return rows
}
