package format

import (
	"errors"
	"slices"

	etl "github.com/tidemark-data/etl"
	"github.com/tidemark-data/etl/internal/scanned"
)

// badRows are the bad records of the batch in the making, in a scan that is
// tolerant.
type badRows struct {
	records []etl.BadRecord
	rows    map[int]bool // of the batch, which have to go
}

// add takes note of a record that is not in the batch.
func (b *badRows) add(err *etl.RowError) {
	b.records = append(b.records, etl.BadRecord{Number: err.Row, Err: err})
}

// drop takes note of a record that is a row of the batch. Of several mistakes in
// one record the first one counts.
func (b *badRows) drop(row int, err error) {
	var re *etl.RowError
	if !errors.As(err, &re) || b.rows[row] {
		return
	}
	if b.rows == nil {
		b.rows = map[int]bool{}
	}
	b.rows[row] = true
	b.add(re)
}

// leave takes the bad records out of a batch, and starts over.
func (b *badRows) leave(rows *etl.Rows) error {
	if len(b.records) == 0 {
		return nil
	}
	slices.SortFunc(b.records, func(x, y etl.BadRecord) int { return int(x.Number - y.Number) })
	rows.Bad, b.records = b.records, nil
	if len(b.rows) == 0 {
		return nil
	}
	bad := b.rows
	b.rows = nil
	return scanned.Leave(rows, func(i int) bool { return bad[i] })
}
