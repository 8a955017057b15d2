package etl

import "github.com/tidemark-data/etl/internal/rowkey"

// refuse takes the rows of erased keys out of a batch. One that gives up another key
// becomes a delete of that.
func (k *keyPass) refuse(b *keyBatch) (*keyBatch, error) {
	if b.erased == nil {
		return b, nil
	}
	erased := b.erased
	b.erased = nil
	gives := func(i int) bool { return b.hasOld != nil && b.hasOld[i] }
	for i := range b.marks {
		if erased[i] && !gives(i) {
			k.refused++
		}
	}
	return k.pick(b, func(i int) fate {
		switch {
		case !erased[i]:
			return staysAs
		case gives(i):
			return staysAsDelete
		}
		return goes
	})
}

// fate is what becomes of a row of a batch of the first pass.
type fate int

const (
	staysAs fate = iota
	staysAsDelete
	goes
)

// pick copies the rows of a batch that stay.
func (k *keyPass) pick(b *keyBatch, of func(i int) fate) (*keyBatch, error) {
	out := &keyBatch{rows: b.rows, bad: b.bad}
	out.reset(k.c)
	var rec []byte
	ok := true
	take := func(to, from *rowkey.Batch, i int, there bool) {
		if !there {
			to.AppendNull()
			return
		}
		rec = from.AppendRecord(rec[:0], i)
		_, fits := to.ReadRecord(rec)
		ok = ok && fits
	}
	for i, m := range b.marks {
		f := of(i)
		if f == goes {
			continue
		}
		keys, hasOld := &b.keys, b.hasOld != nil && b.hasOld[i]
		if f == staysAsDelete {
			keys, hasOld, m = &b.olds, false, m|markDelete
		}
		out.marks = append(out.marks, m)
		take(&out.keys, keys, i, true)
		if !k.c.simple() {
			out.noKey, out.oldMemory = append(out.noKey, false), append(out.oldMemory, hasOld)
			take(&out.olds, &b.olds, i, hasOld)
		}
		if k.c.order != nil {
			take(&out.orders, &b.orders, i, m&markOrdered != 0)
		}
	}
	if !ok {
		return nil, errSpill
	}
	out.done(k.c)
	return out, nil
}
