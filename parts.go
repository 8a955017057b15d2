package etl

import (
	"context"
	"errors"
	"math"

	"github.com/tidemark-data/etl/internal/rowkey"
)

// parts yields what the pass has read.
func (k *keyPass) parts(ctx context.Context, yield func(*Part, error) bool) {
	if k.spill == nil {
		p := k.part(k.read)
		p.whole, p.bad, p.refused = true, k.c.bad.count(), k.refused
		yield(p, nil)
		return
	}
	s, err := k.shelves()
	if err != nil {
		yield(nil, err)
		return
	}
	defer s.close()
	extra := k.read // rows that were superseded before they could be spilled
	for _, p := range s.todo {
		extra -= p.o.keyed[p.at]
	}
	if !k.c.simple() {
		extra = 0 // rows stand for themselves
	}
	var d *deferred
	if k.c.swaps() || !k.c.compares() && !k.c.partial() && !k.c.softens() && !k.c.chronicles() && len(k.c.table.Transforms) == 0 {
		d = &deferred{wanted: newBitmap(k.in.base[len(k.in.base)-1])}
	}
	bad, refused := k.c.bad.count(), k.refused
	for len(s.todo) > 0 {
		p, err := s.next(ctx)
		if err != nil {
			yield(nil, err)
			return
		}
		p.read, extra = p.read+extra, 0
		p.bad, bad = bad, 0
		p.refused, refused = refused, 0
		if p.defers = d; d != nil {
			d.last = len(s.todo) == 0
		}
		if !yield(p, nil) {
			return
		}
	}
}

// shelves are the partitions that still have to become parts.
type shelves struct {
	k    *keyPass
	todo []shelf
	subs []*overflow // of partitions that were too large
}

type shelf struct {
	o  *overflow
	at int
}

func (k *keyPass) shelves() (*shelves, error) {
	if err := k.dump(); err != nil {
		return nil, err
	}
	k.clear(0)
	if err := k.spill.file.Flush(); err != nil {
		return nil, err
	}
	return &shelves{k: k, todo: k.spill.shelves()}, nil
}

func (o *overflow) shelves() []shelf {
	var out []shelf
	for p := range fanOut {
		if o.file.Records(p) > 0 {
			out = append(out, shelf{o, p})
		}
	}
	return out
}

func (s *shelves) close() {
	for _, o := range s.subs {
		_ = o.file.Close()
	}
}

// next makes a part of as many partitions as fit into memory.
func (s *shelves) next(ctx context.Context) (*Part, error) {
	k := s.k
	k.grant.shrink()
	var records, bytes int64
	n := 0
	for n < len(s.todo) {
		p := s.todo[n]
		r, b := records+p.o.file.Records(p.at), bytes+p.o.file.Bytes(p.at)
		if fits := k.grant.covers(k.estimate(r, b)); !fits && n > 0 {
			break
		} else if !fits && r > leastSplit && p.o.level < maxLevels {
			return s.split(ctx)
		}
		records, bytes = r, b
		n++
	}
	group := s.todo[:n]
	s.todo = s.todo[n:]
	k.reuse(int(records))
	b := k.pool.Get().(*keyBatch)
	defer k.pool.Put(b)
	read := int64(0)
	for _, p := range group {
		read += p.o.keyed[p.at]
		err := p.o.each(ctx, p.at, b, func(b *keyBatch) error {
			k.add(b)
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	if k.all != nil && len(group) > 1 {
		k.all.sort()
	}
	return k.part(read), nil
}

// reuse is clear, in the memory of the part before where that has about the size.
func (k *keyPass) reuse(n int) {
	if k.latest == nil || !k.keys.Reuse(n) {
		k.clear(n)
		return
	}
	k.latest.reuse(n)
}

// reserve makes room for the keys of all files, as soon as the first chunk shows
// how many rows there will be about: growing step by step would copy them again
// and again, and hold them twice.
func (k *keyPass) reserve(c Chunk) {
	if k.reserved || k.latest == nil || k.spill != nil || c.Rows == 0 {
		return
	}
	k.reserved = true
	var size int64
	for _, f := range k.c.load.Files {
		size += f.Size
	}
	rows := float64(size) / float64(c.Size) * float64(c.Rows) * 1.02
	if rows <= float64(k.keys.Len()) || rows > math.MaxInt32/2 {
		return
	}
	if !k.grant.covers(k.estimate(int64(rows), 0)) {
		k.grant.shrink() // rows may be far more than keys
		return
	}
	k.keys.Reserve(int(rows), k.c.load.Kind == Full)
	k.latest.reserve(int(rows))
}

// split divides the first partition once more and goes on with its pieces.
func (s *shelves) split(ctx context.Context) (*Part, error) {
	big := s.todo[0]
	sub, err := newOverflow(s.k.c, big.o.dir, big.o.level+1, s.k.grant.held.Load())
	if err != nil {
		return nil, err
	}
	s.subs = append(s.subs, sub)
	var b keyBatch
	err = big.o.each(ctx, big.at, &b, func(b *keyBatch) error { return sub.add(b) })
	if err = errors.Join(err, sub.file.Flush()); err != nil {
		return nil, err
	}
	s.todo = append(sub.shelves(), s.todo[1:]...)
	return s.next(ctx)
}

// gcShare is by what factor the garbage collector lets the memory grow beyond what
// is in use, before it looks for what is not (GOGC=100).
const gcShare = 2

// bytes is what the part in the making takes, and what it will take when it is
// settled, with what the garbage collector needs.
func (k *keyPass) bytes() int64 {
	n := k.keys.Bytes()
	if k.latest != nil {
		n += k.latest.bytes()
	} else {
		n += k.all.bytes() + 24*int64(cap(k.all.changes))
	}
	return (n + k.settling(int64(k.keys.Len()))) * gcShare
}

// settling is what the settling of so many keys takes.
func (k *keyPass) settling(keys int64) int64 {
	switch {
	case k.c.chronicles(), k.c.succeeds():
		return 512 * keys // versions, made and committed
	case k.c.softens():
		return 112 * keys
	case k.all != nil:
		return 80 * keys
	case k.c.swaps():
		return 0
	case k.c.compares():
		return 64 * keys // digests twice, and positions
	}
	return 24 * keys
}

// estimate is what bytes will be, at most, for so many records.
func (k *keyPass) estimate(records, size int64) int64 {
	slots := int64(64)
	for slots*3/4 < records {
		slots *= 2
	}
	n := slots * 9
	switch {
	case k.c.key.Form() == rowkey.Word:
		n += 8 * records
	case k.c.key.Form() == rowkey.Pair:
		n += 16 * records
	default:
		n += 8*records + size
	}
	if k.all != nil {
		return (n + 72*records + 2*size + k.settling(records)) * gcShare
	}
	n += 16 * records
	if k.c.order != nil && k.c.order.Form() != rowkey.Word {
		n += 16*records + size
	}
	return (n + k.settling(records)) * gcShare
}
