// Package scanned helps formats with the batches that they give out.
package scanned

import (
	"github.com/apache/arrow-go/v18/arrow/memory"

	etl "github.com/tidemark-data/etl"
	"github.com/tidemark-data/etl/internal/cells"
)

// Leave takes the records of a batch for which bad holds, by their indexes, out of
// it. Rows.Bad is the caller's to fill in.
func Leave(rows *etl.Rows, bad func(i int) bool) error {
	var stay []int
	var numbers []int64
	for i, n := range rows.Numbers {
		if !bad(i) {
			stay, numbers = append(stay, i), append(numbers, n)
		}
	}
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
		kept := make([]bool, len(stay))
		for i, at := range stay {
			kept[i] = u[at]
		}
		rows.Unsupplied[c] = kept
	}
	return nil
}

// LeaveErrors is Leave for records whose errors are known by their indexes; they go
// to Rows.Bad.
func LeaveErrors(rows *etl.Rows, bad map[int]*etl.RowError) error {
	if len(bad) == 0 {
		return nil
	}
	for i, n := range rows.Numbers {
		if err := bad[i]; err != nil {
			rows.Bad = append(rows.Bad, etl.BadRecord{Number: n, Err: err})
		}
	}
	return Leave(rows, func(i int) bool { return bad[i] != nil })
}
