package catalogsink

import (
	"context"
	"encoding/binary"
	"errors"
	"hash/maphash"

	"github.com/apache/arrow-go/v18/arrow"

	"github.com/tidemark-data/etl"
	"github.com/tidemark-data/etl/internal/ranking"
	"github.com/tidemark-data/etl/internal/rowkey"
	"github.com/tidemark-data/etl/internal/spill"
)

const (
	// settleKeys is how many rows are settled in memory at a time; more go to a
	// temporary file first, in partitions by the hash of the key.
	settleKeys = 1 << 18
	// settleParts bounds the partitions.
	settleParts = 1024
	settleBlock = 32 << 10
)

// settleFiles settles the keys that are in several staged files, as one full load of
// all of them would: the rows that lose are removed, and counted as superseded. Files
// whose keys lie apart from those of all others are not looked into.
func (p *publication) settleFiles(ctx context.Context) error {
	scan, err := p.overlapping()
	if err != nil || len(scan) == 0 {
		return err
	}
	s, err := p.newSettling(scan)
	if err != nil {
		return err
	}
	err = s.run(ctx, scan)
	return errors.Join(err, s.close())
}

// claim is one file's say about a key: a row, or an entry of its sheet.
type claim struct {
	key   []byte
	order []byte // nil is none
	index int    // of the file in the load
	file  int    // of p.data; -1 is the sheet's
	pos   int64
	fate  etl.Fate
}

// settling takes claims, file by file in their order.
type settling struct {
	p      *publication
	keys   *rowkey.Codec
	orders *rowkey.Codec // nil where rows show no order
	cols   []readColumn
	at     map[*dataFile]int
	seats  map[string]*seat

	dir    *spill.Dir // nil where all fits into memory
	file   *spill.File
	parts  int
	seed   maphash.Seed
	record []byte
}

// seat is the place of a key, with the claim that holds it.
type seat struct {
	rank   ranking.Ranking
	taken  bool
	holder claim
	// hidden is the order of the row of file whose-1 that comes next.
	whose  int
	hidden []byte
}

func (p *publication) newSettling(scan []int) (*settling, error) {
	s := &settling{p: p, at: map[*dataFile]int{}, seats: map[string]*seat{}, seed: maphash.MakeSeed()}
	for i, f := range p.data {
		s.at[f] = i
	}
	var err error
	if s.keys, err = s.codec(p.target.Key); err != nil {
		return nil, err
	}
	if len(p.target.OrderBy) > 0 {
		if s.orders, err = s.codec(p.target.OrderBy); err != nil {
			return nil, err
		}
	}
	var rows int64
	for _, i := range scan {
		c := p.files[i].counts
		rows += c.Inserted + c.Filtered + c.Unchanged
	}
	if rows <= settleKeys {
		return s, nil
	}
	s.parts = int(min(rows/settleKeys+1, settleParts))
	if s.dir, err = spill.Open(p.sink.opts.TempDir); err != nil {
		return nil, err
	}
	if s.file, err = s.dir.Create(s.parts, settleBlock); err != nil {
		return nil, errors.Join(err, s.dir.Close())
	}
	return s, nil
}

func (s *settling) codec(names []string) (*rowkey.Codec, error) {
	types := make([]arrow.DataType, len(names))
	for i, name := range names {
		c, err := s.p.column(name)
		if err != nil {
			return nil, err
		}
		s.cols, types[i] = append(s.cols, c), c.want
	}
	return rowkey.NewCodec(types...)
}

func (s *settling) close() error {
	if s.dir == nil {
		return nil
	}
	return errors.Join(s.file.Close(), s.dir.Close())
}

func (s *settling) run(ctx context.Context, scan []int) error {
	for _, i := range scan {
		f := s.p.files[i]
		if f.sheet {
			if err := s.scanSheet(ctx, i, f); err != nil {
				return err
			}
		}
		for _, df := range f.data {
			if err := s.scanData(ctx, i, df); err != nil {
				return err
			}
		}
	}
	if s.file == nil {
		return nil
	}
	if err := s.file.Flush(); err != nil {
		return err
	}
	for part := range s.parts {
		clear(s.seats)
		if err := s.file.Each(part, func(records []byte) error { return s.replay(ctx, records) }); err != nil {
			return err
		}
	}
	return nil
}

// take settles a claim, or puts it aside for its partition.
func (s *settling) take(c claim) error {
	if s.file == nil {
		s.settle(c)
		return nil
	}
	r := binary.AppendUvarint(s.record[:0], uint64(len(c.key)))
	r = append(r, c.key...)
	ordered := uint64(0)
	if c.order != nil {
		ordered = uint64(len(c.order)) + 1
	}
	r = append(binary.AppendUvarint(r, ordered), c.order...)
	for _, n := range []int64{int64(c.index), int64(c.file) + 1, c.pos, int64(c.fate)} {
		r = binary.AppendUvarint(r, uint64(n))
	}
	s.record = r
	return s.file.Append(int(maphash.Bytes(s.seed, c.key)%uint64(s.parts)), r)
}

var errSpilled = errors.New("a temporary file does not hold what was written to it")

// replay settles claims that were put aside.
func (s *settling) replay(ctx context.Context, b []byte) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	short := false
	next := func() uint64 {
		n, used := binary.Uvarint(b)
		if used <= 0 {
			short, b = true, nil
			return 0
		}
		b = b[used:]
		return n
	}
	bytes := func(n uint64) []byte {
		if n > uint64(len(b)) {
			short, b = true, nil
			return nil
		}
		out := append([]byte{}, b[:n]...)
		b = b[n:]
		return out
	}
	for len(b) > 0 {
		var c claim
		c.key = bytes(next())
		if n := next(); n > 0 {
			c.order = bytes(n - 1)
		}
		c.index, c.file, c.pos, c.fate = int(next()), int(next())-1, int64(next()), etl.Fate(next())
		if short {
			return errSpilled
		}
		s.settle(c)
	}
	return nil
}

func (s *settling) settle(c claim) {
	at := s.seats[string(c.key)]
	if at == nil {
		at = &seat{}
		s.seats[string(c.key)] = at
	}
	c.key = nil
	if c.file < 0 && c.fate == etl.FateRow { // says what order the row has that comes next
		at.whose, at.hidden = c.index+1, c.order
		return
	}
	if at.whose == c.index+1 {
		c.order = at.hidden
	}
	if !at.rank.Takes(c.order) {
		s.lose(c)
		return
	}
	if at.taken {
		s.lose(at.holder)
	}
	at.taken, at.holder = true, c
}

// lose counts a claim as superseded that its own file counted otherwise, and removes
// its row.
func (s *settling) lose(c claim) {
	n := &s.p.counts
	n.Superseded++
	switch {
	case c.file >= 0:
		n.Inserted--
		f := s.p.data[c.file]
		s.p.removed[f] = append(s.p.removed[f], c.pos)
	case c.fate == etl.FateFiltered:
		n.Filtered--
	default:
		n.Unchanged--
	}
}
