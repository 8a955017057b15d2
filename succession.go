package etl

import (
	"context"
	"encoding/binary"
	"errors"
	"slices"
	"sync"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/tidemark-data/etl/internal/cells"
)

// succession is what becomes of the last versions of keys in a full load of a history
// table that is committed as a difference. Which of the load's rows win is the
// contest's; a winner that differs from the version that stands succeeds it.
type succession struct {
	r       *Resolution
	won     *contest
	last    []version // by key; of those without any, row is -1
	digests []Digest  // of their values
	rows    []rowRef  // committed
	first   []int     // of the batches that the sink found, in rows
	gone    []bool    // by committed row
	deletes []int32   // keys whose winner is a delete

	mu    sync.Mutex
	ended []int32 // keys whose last version ends
}

// succeeds reports whether winners are compared with versions.
func (c *Changes) succeeds() bool { return c.compares() && c.table.Mode == ModeHistory }

func newSuccession(r *Resolution) (*succession, error) {
	won, ok := r.settlement.(*contest)
	if !ok {
		return nil, WithOutcome(Terminal, errors.New("a full load whose rows may lack columns cannot be compared with a history table: set full loads to replace"))
	}
	s := &succession{r: r, won: won, last: make([]version, r.part.Len()), digests: make([]Digest, r.part.Len())}
	for i := range s.last {
		s.last[i].row = -1
	}
	return s, nil
}

// found takes in committed versions, of which the last one of each key matters.
func (s *succession) found(f Found) error {
	s.first = append(s.first, len(s.rows))
	if len(f.Ordinals) == 0 {
		return nil
	}
	c := s.r.part.c
	read, err := c.readFound(f)
	if err != nil {
		return err
	}
	digests, err := c.digestOf(nil, f.Record.Columns()[:c.made.NumFields()], len(f.Ordinals))
	if err != nil {
		return err
	}
	for i, k := range f.Ordinals {
		v := read.version(i)
		v.base, v.row = f.Base, int64(len(s.rows))
		s.rows = append(s.rows, rowRef{f.Record, i})
		if pair := (versions{s.last[k], v}); s.last[k].row >= 0 {
			if pair.arrange(); pair[1].row != v.row {
				continue
			}
		}
		s.last[k], s.digests[k], s.r.exists[k] = v, digests[i], true
	}
	return nil
}

// stands reports whether the key has a version that holds until now.
func (v *version) stands() bool { return v.row >= 0 && v.current && !v.deleted }

// settle gives the winners their fates, as if all that are no deletes were new.
func (s *succession) settle(n Counts) Counts {
	s.gone = make([]bool, len(s.rows))
	n.Inserted, n.Updated = n.Inserted+n.Updated, 0
	n.Unchanged, n.Deleted = n.Unchanged+n.Deleted, 0
	for k := range s.last {
		if w := s.won.winner(int32(k)); w&markDelete != 0 && s.last[k].stands() {
			s.deletes = append(s.deletes, int32(k))
			n.Unchanged--
			n.Inserted++
		}
	}
	return n
}

// time is when the winner of a key took place.
func (s *succession) time(k int32) int64 {
	p, w := s.r.part, s.won.winner(k)
	if p.c.timed && w&markOrdered != 0 {
		return int64(binary.BigEndian.Uint64(s.won.l.appendOrder(nil, k)) ^ 1<<63)
	}
	return p.c.load.Files[p.in.fileOf(w.position())].ModTime.UnixMicro()
}

// end ends the last version of a key, and returns from when on another one holds: not
// before it began, nor before it ended.
func (s *succession) end(k int32) int64 {
	v, t := &s.last[k], s.time(k)
	if v.row < 0 {
		return t
	}
	t = max(t, v.from)
	if v.to != forever {
		return max(t, v.to)
	}
	v.to, v.current = t, false
	s.gone[v.row] = true
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ended = append(s.ended, k)
	return t
}

// dress leaves out the winners that equal what stands and makes versions of the others.
// It is safe for concurrent use: no two rows have the same key.
func (s *succession) dress(w *winners, out *won) error {
	keys, err := w.keysOf(out.rec)
	if err != nil {
		return err
	}
	digests, err := w.c.digestOf(nil, out.rec.Columns(), len(keys))
	if err != nil {
		return WithOutcome(Terminal, err)
	}
	var stay []int
	var vs []*version
	var at []int64
	for i, k := range keys {
		if s.last[k].stands() && s.digests[k] == digests[i] {
			out.same++
			continue
		}
		stay, at = append(stay, i), append(at, out.at[i])
		vs = append(vs, &version{from: s.end(k), to: forever, current: true})
	}
	if out.same > 0 {
		rec, err := cells.Take(memory.DefaultAllocator, out.rec, stay)
		if err != nil {
			return err
		}
		out.rec.Release()
		out.rec, out.at = rec, at
	}
	out.with(w.c.target.Schema, versionCells(vs))
	return nil
}

// lose takes note that the winners of keys were filtered: what stood ends.
func (s *succession) lose(keys []int32) {
	n := &s.r.counts
	for _, k := range keys {
		s.end(k)
		n.Inserted--
		n.Filtered++
	}
}

// rest gives out, after the winners, the versions that deletes leave and those that
// have ended.
func (s *succession) rest(ctx context.Context, give func(arrow.RecordBatch, []int64) error) error {
	var refs []rowRef
	var vs []*version
	var at []int64
	for _, k := range s.deletes {
		from := s.end(k)
		v := &version{from: from, to: forever, current: true, deleted: true}
		if s.won.winner(k)&markOrdered != 0 {
			v.order, v.reorders = s.won.l.appendOrder(nil, k), true
		}
		refs, vs, at = append(refs, s.rows[s.last[k].row]), append(vs, v), append(at, s.won.winner(k).position())
	}
	slices.Sort(s.ended)
	for _, k := range s.ended {
		refs, vs, at = append(refs, s.rows[s.last[k].row]), append(vs, &s.last[k]), append(at, s.won.winner(k).position())
	}
	const batch = 4096
	for from := 0; from < len(vs); from += batch {
		if err := ctx.Err(); err != nil {
			return err
		}
		to := min(from+batch, len(vs))
		rec, err := s.r.part.c.versionRows(refs[from:to], vs[from:to])
		if err != nil {
			return err
		}
		err = give(rec, at[from:to])
		rec.Release()
		if err != nil {
			return err
		}
	}
	return nil
}

// Retire ends versions of keys that a full load of a history table lacks, which is
// committed as a difference. Of committed rows, with all columns of the target in their
// order, it returns the indices of those that go, and the rows that come in their place:
// the ended version and a deleted one, from when the last file of the load landed. Each
// row that goes counts as RemovedAsAbsent. It is safe for concurrent use; the caller
// releases the rows.
func (c *Changes) Retire(committed arrow.RecordBatch) (gone []int, rows arrow.RecordBatch, err error) {
	read, err := c.readVersions(committed)
	if err != nil {
		return nil, nil, err
	}
	landed := c.load.Files[0].ModTime
	for _, f := range c.load.Files {
		if f.ModTime.After(landed) {
			landed = f.ModTime
		}
	}
	var refs []rowRef
	var vs []*version
	for i := range int(committed.NumRows()) {
		v := read.version(i)
		if !v.current || v.deleted {
			continue
		}
		at := max(v.from, landed.UnixMicro())
		gone = append(gone, i)
		refs = append(refs, rowRef{committed, i}, rowRef{committed, i})
		vs = append(vs, &version{from: v.from, to: at}, &version{from: at, to: forever, current: true, deleted: true})
	}
	rows, err = c.versionRows(refs, vs)
	return gone, rows, err
}
