package etl

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/tidemark-data/etl/internal/cells"
)

// A bad row that is set aside is as if it were not there: the next best change of
// its key wins, so that nothing depends on which files share a load. Rows whose key,
// operation or order is bad are left out by the first pass. Bad values are found only
// in winners, by the second pass, when others have lost against them already: the
// load then starts over without these rows. Each time at least one more is found, and
// loads without bad rows pay nothing.

// errBadRows ends an attempt that has found bad winners.
var errBadRows = WithOutcome(Terminal, errors.New("bad rows were found: the load starts over without them"))

// badRows are the bad rows of a load. Its methods take nil for a load of which none
// is set aside and no row set aside before is to be watched.
type badRows struct {
	c        *Changes
	aside    *aside
	tolerant bool

	mu    sync.Mutex
	out   []map[int64]*RowError // by file and row
	n     int64
	fresh atomic.Int64 // winners found to be bad since the load was started (over)
	read  int64        // rows of the load
	in    *inputs

	watched []*watchedRow
	kept    []BadRow // put into the quarantine
}

// aside is what a Runner tells of rows that are and were set aside.
type aside struct {
	// keep stores the bad rows of the load, and those of before that a row of the
	// load overtakes.
	keep func(ctx context.Context, bad, overtaken []BadRow) error
	// open are the rows of before that still wait.
	open []BadRow
	// mended are the rows whose mended versions are files of the load, by file ID.
	mended map[string]BadRow
	// contents are the mended versions themselves.
	contents map[string][]byte
	// file is that of a staged load's file; -1 for whole loads.
	file int
}

func newBadRows(c *Changes, a *aside) *badRows {
	if a == nil || !c.table.BadRows.tolerant() && len(a.open) == 0 && len(a.mended) == 0 {
		return nil
	}
	return &badRows{c: c, aside: a, tolerant: c.table.BadRows.tolerant(), out: make([]map[int64]*RowError, len(c.load.Files))}
}

// tolerates reports whether bad rows are looked for.
func (b *badRows) tolerates() bool { return b != nil && b.tolerant }

// add takes note of a bad row. It is safe for concurrent use.
func (b *badRows) add(file int, row int64, err *RowError) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.out[file][row] != nil {
		return false
	}
	if b.out[file] == nil {
		b.out[file] = map[int64]*RowError{}
	}
	at := *err
	at.File, at.Row = b.c.load.Files[file].Location, row
	b.out[file][row] = &at
	b.n++
	return true
}

// winner takes note of a bad row that had won.
func (b *badRows) winner(file int, row int64, err *RowError) {
	if b.add(file, row, err) {
		b.fresh.Add(1)
	}
}

// stale reports whether the attempt is for nothing, because winners are bad.
func (b *badRows) stale() bool { return b != nil && b.fresh.Load() > 0 }

// startsOver reports whether the attempt ended for that.
func (b *badRows) startsOver() bool { return b != nil && b.fresh.Swap(0) > 0 }

func (b *badRows) count() int64 {
	if b == nil {
		return 0
	}
	return b.n
}

// verdict ends an attempt that has found bad winners, or one with more bad rows than
// the budget allows.
func (b *badRows) verdict() error {
	if b == nil {
		return nil
	}
	if err := b.exceeds(); err != nil {
		b.fresh.Store(0)
		return err
	}
	if b.stale() {
		return errBadRows
	}
	return nil
}

// exceeds returns a [BudgetError] if there are too many bad rows. Of a file of a
// staged load it is known only where no share of the whole load is allowed.
func (b *badRows) exceeds() error {
	budget := b.c.table.BadRows
	if budget.covers(b.n, b.read) || b.aside.file >= 0 && budget.Share > 0 {
		return nil
	}
	return &BudgetError{First: b.list()[0].err, Bad: b.n, Budget: budget}
}

// placedRow is a bad row and its place in the load.
type placedRow struct {
	file int
	row  int64
	err  *RowError
}

// list returns the bad rows in position order.
func (b *badRows) list() []placedRow {
	var out []placedRow
	for file, rows := range b.out {
		from := len(out)
		for row, err := range rows {
			out = append(out, placedRow{file, row, err})
		}
		slices.SortFunc(out[from:], func(x, y placedRow) int { return int(x.row - y.row) })
	}
	return out
}

// sift encodes the good rows of a batch of the first pass.
func (k *keyPass) sift(ctx context.Context, file int, rows Rows) (*keyBatch, error) {
	bad, read := slices.Clone(rows.Bad), len(rows.Numbers)+len(rows.Bad)
	if rows.Record == nil {
		return nil, errors.New("format gave no record batch")
	}
	for {
		b, err := k.encode(ctx, file, rows)
		if err == nil {
			slices.SortFunc(bad, func(x, y BadRecord) int { return cmp.Compare(x.Number, y.Number) })
			b.bad, b.rows = bad, read
			return b, nil
		}
		first := rowOf(err, rows.Numbers)
		if first < 0 {
			return nil, err
		}
		gone := map[int]bool{}
		for at := first; err != nil; { // and the others that stand after it
			i := rowOf(err, rows.Numbers[at:])
			if i < 0 {
				return nil, err
			}
			at += i
			var re *RowError
			errors.As(err, &re)
			bad = append(bad, BadRecord{Number: rows.Numbers[at], Err: re})
			gone[at] = true
			if at++; at == len(rows.Numbers) {
				break
			}
			rest := rows.Record.NewSlice(int64(at), int64(len(rows.Numbers)))
			_, err = k.encode(ctx, file, Rows{Record: rest, Numbers: rows.Numbers[at:]})
			rest.Release()
		}
		if rows, err = without(rows, gone); err != nil {
			return nil, err
		}
	}
}

// rowOf returns the index of the row that an error is about; -1 if it is about none.
func rowOf(err error, numbers []int64) int {
	var re *RowError
	if !errors.As(err, &re) || re.Row == 0 {
		return -1
	}
	return slices.Index(numbers, re.Row)
}

// without returns the rows but those that are gone. What is not supplied in them does
// not matter to the first pass.
func without(rows Rows, gone map[int]bool) (Rows, error) {
	var stay []int
	var numbers []int64
	for i, n := range rows.Numbers {
		if !gone[i] {
			stay, numbers = append(stay, i), append(numbers, n)
		}
	}
	rec, err := cells.Take(memory.DefaultAllocator, rows.Record, stay)
	return Rows{Record: rec, Numbers: numbers}, err
}

// sieve takes note of the bad rows of a batch, and takes those out of it that are
// known to be bad from an attempt before. The numbers of b count from row first of
// the file.
func (k *keyPass) sieve(b *keyBatch, file int, first int64) (*keyBatch, error) {
	bad := k.c.bad
	if bad == nil {
		return b, nil
	}
	for _, r := range b.bad {
		bad.add(file, first+r.Number, r.Err)
	}
	left := bad.out[file]
	if !slices.ContainsFunc(b.marks, func(m mark) bool { return left[first+m.position()] != nil }) {
		return b, nil
	}
	return k.pick(b, func(i int) fate {
		if left[first+b.marks[i].position()] != nil {
			return goes
		}
		return staysAs
	})
}

// sift runs the chain on rows, and finds the bad ones among them. If there are any it
// gives out nothing, because the load will start over.
func (w *winners) sift(ctx context.Context, rec arrow.RecordBatch, at, ids []int64) (*won, error) {
	if !w.c.bad.tolerates() || w.r.part.stream { // where rows are not yet numbered
		return w.whole(ctx, rec, at, ids)
	}
	type span struct{ from, to int }
	for todo := []span{{0, len(at)}}; len(todo) > 0; {
		s := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		part, some := rec.NewSlice(int64(s.from), int64(s.to)), ids
		if ids != nil {
			some = ids[s.from:s.to]
		}
		out, err := w.whole(ctx, part, at[s.from:s.to], some)
		part.Release()
		if err == nil && s == (span{0, len(at)}) {
			return out, nil
		}
		if err == nil {
			out.rec.Release()
			continue
		}
		var bad *rowAt
		if !errors.As(err, &bad) {
			return nil, err
		}
		i := slices.Index(at[s.from:s.to], bad.at)
		if i < 0 {
			return nil, err
		}
		w.refuse(bad.at, bad.RowError)
		for _, half := range []span{{s.from, s.from + i}, {s.from + i + 1, s.to}} {
			if half.from < half.to {
				todo = append(todo, half)
			}
		}
	}
	return &won{read: len(at)}, nil
}

// refuse takes note of a bad row at a position.
func (w *winners) refuse(at int64, err *RowError) {
	file := w.in.fileOf(at)
	w.c.bad.winner(file, at-w.in.base[file], err)
}

// refuseBelow finds the bad ones among the rows below winners: by themselves they would
// have been set aside, so winners must not take values from them.
func (w *winners) refuseBelow() {
	if !w.c.bad.tolerates() {
		return
	}
	p := w.patch
	p.hold()
	for id, row := range p.heldAt {
		if !p.member[id] || p.lines.wins(id) {
			continue
		}
		for c, col := range w.c.table.Columns {
			if col.Required && p.lacks(id, row, c) {
				w.refuse(p.lines.position(id), &RowError{Column: col.Name, Rule: requiredIsNull})
				break
			}
		}
	}
}

// rowAt is the error of a row at a position.
type rowAt struct {
	*RowError
	at int64
}

func (r *rowAt) Unwrap() error { return r.RowError }
