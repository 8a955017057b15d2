package etl

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"slices"
	"sync"
	"time"

	"github.com/apache/arrow-go/v18/arrow"

	"github.com/tidemark-data/etl/internal/rowkey"
)

const erasedKeySize = 16

// erasureKeys are keys to erase.
type erasureKeys struct {
	part  *Part
	all   [][]byte        // encoded, each once
	known map[string]bool // of all
	text  [][]string      // of their columns, as a file may show them
}

func newErasureKeys(ctx context.Context, t Table, keys arrow.RecordBatch) (*erasureKeys, error) {
	if len(t.Key) == 0 {
		return nil, errors.New("the table has no key")
	}
	if keys == nil || keys.NumRows() == 0 {
		return nil, errors.New("no keys")
	}
	if keys.NumRows() > MaxErasedKeys {
		return nil, fmt.Errorf("%d keys at once, more than %d", keys.NumRows(), MaxErasedKeys)
	}
	c, err := NewChanges(ChangesConfig{Table: t, Load: Load{Table: t.Name, Kind: Incremental}})
	if err != nil {
		return nil, err
	}
	cols := make([]arrow.Array, len(t.Key))
	for i, name := range t.Key {
		at := keys.Schema().FieldIndices(name)
		if len(at) != 1 {
			return nil, fmt.Errorf("the keys have no column %s", printable(name))
		}
		cols[i] = keys.Column(at[0])
		if cols[i].NullN() > 0 {
			return nil, fmt.Errorf("column %s: key is null", printable(name))
		}
		if cols[i], err = keyAs(cols[i], t.Columns[t.Columns.Index(name)].Type); err != nil {
			return nil, fmt.Errorf("column %s of the keys: %w", printable(name), err)
		}
	}
	k := &erasureKeys{known: map[string]bool{}}
	for row := range int(keys.NumRows()) {
		var text []string
		for _, col := range cols {
			text = append(text, col.ValueStr(row))
		}
		k.text = append(k.text, text)
	}
	if cols, err = c.keys.apply(ctx, 0, cols); err != nil {
		return nil, errors.New("the transforms of the key refuse a key")
	}
	return k, k.take(c, cols)
}

func (k *erasureKeys) take(c *Changes, cols []arrow.Array) error {
	var b rowkey.Batch
	if err := c.key.Encode(&b, cols); err != nil {
		return err
	}
	table := rowkey.NewTable(c.key, c.seed, b.Len())
	table.AddAll(&b, c.key.Hash(&c.seed, &b, nil), nil)
	table.Ready()
	for i := range b.Len() {
		if b.Null(i) {
			return errors.New("the transforms of the key make a key null")
		}
		if key := b.Append(nil, i); !k.known[string(key)] {
			k.known[string(key)] = true
			k.all = append(k.all, key)
		}
	}
	k.part = &Part{c: c, keys: table, whole: true}
	return nil
}

// hashes are those of [Erasure.Keys].
func (k *erasureKeys) hashes(salt []byte) []byte {
	h := hmac.New(sha256.New, salt)
	sums := make([][]byte, len(k.all))
	for i, key := range k.all {
		h.Reset()
		h.Write(key)
		sums[i] = h.Sum(nil)[:erasedKeySize]
	}
	slices.SortFunc(sums, bytes.Compare)
	return slices.Concat(sums...)
}

// in reports whether a bad row has one of the keys. Of a row whose key is not known
// its bytes have the say.
func (k *erasureKeys) in(row BadRow) bool {
	if row.Key != nil && k.known[string(row.Key)] {
		return true
	}
	shows := func(part string) bool { return showsWord(row.Raw, part) || showsWord(row.Mended, part) }
	return slices.ContainsFunc(k.text, func(key []string) bool {
		return !slices.ContainsFunc(key, func(part string) bool { return !shows(part) })
	}) && (row.Key == nil || row.Mended != nil)
}

// showsWord reports whether text has a word by itself, not as part of a longer one.
func showsWord(text []byte, word string) bool {
	inner := func(c byte) bool {
		return c == '_' || c >= 0x80 || '0' <= c && c <= '9' || 'a' <= c|0x20 && c|0x20 <= 'z'
	}
	for from := 0; word != ""; {
		at := bytes.Index(text[from:], []byte(word))
		if at < 0 {
			return false
		}
		at += from
		end := at + len(word)
		if (at == 0 || !inner(text[at-1])) && (end == len(text) || !inner(text[end])) {
			return true
		}
		from = at + 1
	}
	return false
}

func (e *Erasures) count() (n int) {
	for _, x := range e.List {
		n += x.Count()
	}
	return n
}

// due reports whether older versions of the table are to go.
func (e *Erasures) due(now time.Time) bool {
	return e != nil && slices.ContainsFunc(e.List, func(x Erasure) bool { return x.Removed && !x.Due.IsZero() && !now.Before(x.Due) })
}

// concerns reports whether files may bring erased keys back.
func (e *Erasures) concerns(files []File) bool {
	return e != nil && slices.ContainsFunc(files, func(f File) bool {
		return slices.ContainsFunc(e.List, func(x Erasure) bool { return !f.ModTime.After(x.At) })
	})
}

// erasedSet finds erased keys among those of a load. It is safe for concurrent use.
type erasedSet struct {
	macs sync.Pool
	at   map[[erasedKeySize]byte]time.Time
	last time.Time
}

// set returns nil where no file of the load may bring a key back.
func (e *Erasures) set(files []File) *erasedSet {
	if !e.concerns(files) {
		return nil
	}
	s := &erasedSet{at: map[[erasedKeySize]byte]time.Time{}}
	s.macs.New = func() any { return hmac.New(sha256.New, e.Salt) }
	for _, x := range e.List {
		for from := 0; from+erasedKeySize <= len(x.Keys); from += erasedKeySize {
			key := [erasedKeySize]byte(x.Keys[from:])
			if s.at[key].Before(x.At) {
				s.at[key] = x.At
			}
		}
		if s.last.Before(x.At) {
			s.last = x.At
		}
	}
	return s
}

// among marks the keys of a batch that a file must not bring back; nil is none.
func (s *erasedSet) among(b *rowkey.Batch, f File) (out []bool) {
	if s == nil || f.ModTime.After(s.last) {
		return nil
	}
	mac := s.macs.Get().(hash.Hash)
	defer s.macs.Put(mac)
	var buf, sum []byte
	for i := range b.Len() {
		if b.Null(i) {
			continue
		}
		buf = b.Append(buf[:0], i)
		mac.Reset()
		mac.Write(buf)
		sum = mac.Sum(sum[:0])
		at, ok := s.at[[erasedKeySize]byte(sum)]
		if !ok || f.ModTime.After(at) {
			continue
		}
		if out == nil {
			out = make([]bool, b.Len())
		}
		out[i] = true
	}
	return out
}
