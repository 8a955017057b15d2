package etl

import (
	"context"
	"encoding/binary"
	"errors"

	"github.com/tidemark-data/etl/internal/rowkey"
	"github.com/tidemark-data/etl/internal/spill"
)

const (
	fanOut     = 64 // partitions of a temporary file
	fanBits    = 6
	maxLevels  = 5    // as many bits of the hash as tables leave over
	leastSplit = 4096 // records; fewer are not worth a part of their own
	maxBlock   = 128 << 10
	minBlock   = 512
)

// overflow takes changes that do not fit into memory to a temporary file, in
// partitions by the hash of the key. A change that gives up an old key may lie
// in two of them.
type overflow struct {
	c      *Changes
	dir    *spill.Dir
	file   *spill.File
	level  int
	direct bool // keys hardly repeat: there is no use in keeping them in memory first
	prev   [fanOut]mark
	keyed  [fanOut]int64 // records with a key
	record []byte
}

// overflow moves what is in memory to the temporary file.
func (k *keyPass) overflow() error {
	if k.spill == nil {
		dir, err := spill.Open(k.c.temp)
		if err != nil {
			return err
		}
		o, err := newOverflow(k.c, dir, 0, k.grant.held.Load())
		if err != nil {
			return errors.Join(err, dir.Close())
		}
		k.spill = o
		o.direct = k.all != nil || int64(k.keys.Len())*2 > k.read
	}
	if err := k.dump(); err != nil {
		return err
	}
	k.clear(0)
	return nil
}

func newOverflow(c *Changes, dir *spill.Dir, level int, memory int64) (*overflow, error) {
	block := min(max(memory/(8*fanOut), minBlock), maxBlock)
	file, err := dir.Create(fanOut, int(block))
	if err != nil {
		return nil, err
	}
	return &overflow{c: c, dir: dir, file: file, level: level}, nil
}

func (o *overflow) close() { _ = errors.Join(o.file.Close(), o.dir.Close()) }

// dump adds what the pass has in memory.
func (k *keyPass) dump() error {
	b := k.pool.Get().(*keyBatch)
	defer k.pool.Put(b)
	b.reset(k.c)
	flush := func() error {
		b.done(k.c)
		err := k.spill.add(b)
		b.reset(k.c)
		return err
	}
	if k.all != nil {
		for i := range k.all.changes {
			k.dumpChange(b, i)
			if len(b.marks) == batchLen {
				if err := flush(); err != nil {
					return err
				}
			}
		}
		return flush()
	}
	for n := range int32(k.keys.Len()) {
		if m := k.latest.highOf(n); m != 0 {
			k.keys.Take(&b.keys, int(n))
			b.marks = append(b.marks, m)
			b.appendOrder(k.latest, n)
		}
		if m := k.latest.lastOf(n); m != 0 {
			k.keys.Take(&b.keys, int(n))
			b.marks = append(b.marks, m)
			if k.c.order != nil {
				b.orders.AppendNull()
			}
		}
		if len(b.marks) >= batchLen {
			if err := flush(); err != nil {
				return err
			}
		}
	}
	return flush()
}

const batchLen = 4096

func (k *keyPass) dumpChange(b *keyBatch, i int) {
	c := k.all.changes[i]
	b.marks = append(b.marks, c.mark)
	b.appendKey(k.keys, c.key)
	b.oldMemory = append(b.oldMemory, c.old >= 0)
	if c.old >= 0 {
		k.keys.Take(&b.olds, int(c.old))
	} else {
		b.olds.AppendNull()
	}
	if k.c.order == nil {
		return
	}
	if o := k.all.order(i); o != nil {
		b.orders.AppendEncoded(o)
	} else {
		b.orders.AppendNull()
	}
}

func (b *keyBatch) appendKey(keys *rowkey.Table, key int32) {
	b.noKey = append(b.noKey, key < 0)
	if key < 0 {
		b.keys.AppendNull()
		return
	}
	keys.Take(&b.keys, int(key))
}

func (b *keyBatch) appendOrder(l *latest, key int32) {
	if l.words != nil {
		b.orders.AppendWords(0, l.words[key])
	} else {
		b.orders.AppendEncoded(l.span(key))
	}
}

// reset empties b, to be filled change by change.
func (b *keyBatch) reset(c *Changes) {
	b.keys.Reset(c.key)
	b.olds.Reset(c.key)
	if c.order != nil {
		b.orders.Reset(c.order)
	}
	b.marks, b.oldMemory, b.noKey, b.hasOld = b.marks[:0], b.oldMemory[:0], b.noKey[:0], nil
}

func (b *keyBatch) done(c *Changes) {
	b.keys.Done()
	b.olds.Done()
	b.orders.Done()
	b.hashes = c.key.Hash(&c.seed, &b.keys, b.hashes)
	if len(b.oldMemory) > 0 {
		b.hasOld = b.oldMemory
		b.oldHashes = c.key.Hash(&c.seed, &b.olds, b.oldHashes)
	}
	if len(b.noKey) == 0 {
		b.noKey = nil
	}
}

// partition is taken from the bits of the hash that tables do not use.
func (o *overflow) partition(hash uint64) int {
	return int(hash >> (32 + fanBits*o.level) & (fanOut - 1))
}

// A record begins with its mark: the position as the distance from that of the
// record before it in the partition, and four bits.
const (
	recordKey = 1 << markBits << iota
	recordOld
	recordBits = markBits + iota
)

// add appends a batch.
func (o *overflow) add(b *keyBatch) error {
	for i := range b.marks {
		hasKey := b.noKey == nil || !b.noKey[i]
		hasOld := b.hasOld != nil && b.hasOld[i]
		at, atOld := -1, -1
		if hasKey {
			at = o.partition(b.hashes[i])
		}
		if hasOld {
			atOld = o.partition(b.oldHashes[i])
		}
		if at >= 0 {
			if err := o.put(at, b, i, true, at == atOld); err != nil {
				return err
			}
		}
		if atOld >= 0 && at != atOld {
			if err := o.put(atOld, b, i, false, true); err != nil {
				return err
			}
		}
	}
	return nil
}

func (o *overflow) put(p int, b *keyBatch, i int, key, old bool) error {
	m := b.marks[i]
	step := m.position() - o.prev[p].position()
	o.prev[p] = m
	head := uint64(step<<1^step>>63)<<recordBits | uint64(m&(markDelete|markOrdered))
	rec := o.record[:0]
	if key {
		head |= recordKey
		o.keyed[p]++
	}
	if old {
		head |= recordOld
	}
	rec = binary.AppendUvarint(rec, head)
	if key {
		rec = b.keys.AppendRecord(rec, i)
	}
	if old {
		rec = b.olds.AppendRecord(rec, i)
	}
	if m&markOrdered != 0 {
		rec = b.orders.AppendRecord(rec, i)
	}
	o.record = rec
	return o.file.Append(p, rec)
}

// each reads a partition in batches.
func (o *overflow) each(ctx context.Context, p int, b *keyBatch, fn func(*keyBatch) error) error {
	var prev int64
	err := o.file.Each(p, func(rec []byte) error {
		if err := ctx.Err(); err != nil {
			return err
		}
		b.reset(o.c)
		for len(rec) > 0 {
			head, n := binary.Uvarint(rec)
			if n <= 0 {
				return errSpill
			}
			rec = rec[n:]
			step := head >> recordBits
			prev += int64(step>>1) ^ -int64(step&1)
			if rec = b.read(o.c, rec, head); rec == nil {
				return errSpill
			}
			b.marks = append(b.marks, mark(prev)<<markBits|mark(head)&(markDelete|markOrdered))
		}
		b.done(o.c)
		return fn(b)
	})
	return err
}

var errSpill = errors.New("spill: a temporary file was changed")

// read takes what follows a record's mark. It returns what comes then.
func (b *keyBatch) read(c *Changes, rec []byte, head uint64) []byte {
	ok := true
	take := func(to *rowkey.Batch, there bool) {
		if !there {
			to.AppendNull()
		} else if ok {
			rec, ok = to.ReadRecord(rec)
		}
	}
	take(&b.keys, head&recordKey != 0)
	if !c.simple() {
		b.noKey = append(b.noKey, head&recordKey == 0)
		b.oldMemory = append(b.oldMemory, head&recordOld != 0)
		take(&b.olds, head&recordOld != 0)
	}
	if c.order != nil {
		take(&b.orders, head&uint64(markOrdered) != 0)
	}
	if !ok {
		return nil
	}
	return rec
}
