package pages

import (
	"bytes"
	"encoding/binary"
	"fmt"

	"github.com/apache/arrow-go/v18/parquet"
	"github.com/apache/arrow-go/v18/parquet/schema"
)

// What is known of an entry of a dictionary.
const (
	termKept = 1 << iota
	termGone
)

// filterTally finds the statistics of a chunk that loses rows. Its bounds stay
// what they were, unless a value goes that is one of them and none that stays is
// known to be the same.
type filterTally struct {
	old        Stats
	least      []byte // old bounds in the form that encode of bounds gives
	greatest   []byte
	known      bool // there are such
	kept, gone bounds
	terms      []byte // of the dictionary
	unseen     bool   // values stay that kept has not taken in
	rows       int64  // that stay
	nulls      int64  // that go
}

func (t *filterTally) begin(desc *schema.Column, old Stats, inexact bool) {
	*t = filterTally{old: old, kept: newBounds(desc), gone: newBounds(desc), terms: t.terms[:0]}
	if inexact || !old.HasBounds || len(old.Min) == 0 && len(old.Max) == 0 && desc.PhysicalType() != parquet.Types.ByteArray {
		return
	}
	b := newBounds(desc)
	addBound(b, desc, old.Min)
	addBound(b, desc, old.Max)
	t.least, t.greatest, t.known = b.encode()
}

func addBound(b bounds, desc *schema.Column, v []byte) {
	switch b := b.(type) {
	case *boolBounds:
		for _, c := range v {
			b.yes, b.no = b.yes || c != 0, b.no || c == 0
		}
	case *byteBounds:
		if b.width == 0 || len(v) == b.width {
			b.value(v)
			b.hold()
		}
	default:
		if len(v) == 4 || len(v) == 8 {
			b.fixed(v)
		}
	}
}

// marks makes room for what is known of the dictionary's entries.
func (t *filterTally) marks(terms int) {
	if len(t.terms) == terms {
		return
	}
	if cap(t.terms) < terms {
		t.terms = make([]byte, terms)
	}
	t.terms = t.terms[:terms]
	clear(t.terms)
}

// entries takes in the entries of the dictionary that stay or go.
func (t *filterTally) entries(plain []byte, width int) {
	for _, mark := range t.terms {
		n := width
		if width == 0 {
			n = int(binary.LittleEndian.Uint32(plain))
			plain = plain[4:]
		}
		if mark&termKept != 0 {
			addValue(t.kept, plain[:n])
		}
		if mark&termGone != 0 {
			addValue(t.gone, plain[:n])
		}
		plain = plain[n:]
	}
	t.terms = t.terms[:0]
	for _, b := range []bounds{t.kept, t.gone} {
		if b, ok := b.(*byteBounds); ok {
			b.hold()
		}
	}
}

func addValue(b bounds, v []byte) {
	if b, ok := b.(*byteBounds); ok {
		b.value(v)
		return
	}
	b.fixed(v)
}

// lost reports which of the old bounds may be bounds no more.
func (t *filterTally) lost() (least, greatest bool) {
	if !t.old.HasBounds {
		return false, false
	}
	if !t.known {
		return true, true
	}
	goneLeast, goneGreatest, gone := t.gone.encode()
	keptLeast, keptGreatest, kept := t.kept.encode()
	least = gone && bytes.Equal(goneLeast, t.least) && (!kept || !bytes.Equal(keptLeast, t.least))
	greatest = gone && bytes.Equal(goneGreatest, t.greatest) && (!kept || !bytes.Equal(keptGreatest, t.greatest))
	return least, greatest
}

// incomplete reports whether bounds have to be looked for among values not seen.
func (t *filterTally) incomplete() bool {
	least, greatest := t.lost()
	return t.unseen && (least || greatest)
}

// stats returns the statistics of what stays.
func (t *filterTally) stats(optional bool) (Stats, error) {
	s := t.old
	s.HasNulls, s.Nulls = true, 0
	if optional {
		if s.Nulls = t.old.Nulls - t.nulls; s.Nulls < 0 || s.Nulls > t.rows {
			return Stats{}, fmt.Errorf("%w: nulls are counted wrong", ErrCorrupt)
		}
	}
	if s.Nulls == t.rows {
		s.HasBounds = false
	}
	if !s.HasBounds {
		return Stats{HasNulls: true, Nulls: s.Nulls}, nil
	}
	least, greatest := t.lost()
	keptLeast, keptGreatest, ok := t.kept.encode()
	if least {
		s.Min, s.HasBounds = keptLeast, ok
	}
	if greatest {
		s.Max, s.HasBounds = keptGreatest, ok
	}
	return s, nil
}
