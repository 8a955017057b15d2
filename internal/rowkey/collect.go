package rowkey

import "encoding/binary"

// Reset empties b for tuples of a codec, which are appended one by one.
func (b *Batch) Reset(c *Codec) {
	b.form, b.width, b.n = c.form, c.width, 0
	b.Words, b.data, b.ends = b.Words[:0], b.data[:0], b.ends[:0]
	b.Nulls, b.nulls = nil, b.nulls[:0]
}

// AppendBytes appends a tuple of the form Bytes.
func (b *Batch) AppendBytes(tuple []byte) {
	b.data = append(b.data, tuple...)
	b.ends = append(b.ends, len(b.data))
	b.n++
}

// AppendWords appends a tuple of the form Word (high is ignored) or Pair.
func (b *Batch) AppendWords(high, low uint64) {
	if b.form == Pair {
		b.Words = append(b.Words, high)
	}
	b.Words = append(b.Words, low)
	b.n++
}

// AppendNull appends a tuple that is null.
func (b *Batch) AppendNull() {
	if b.form == Bytes {
		b.AppendBytes(nil)
	} else {
		b.AppendWords(0, 0)
	}
	for len(b.nulls) < b.n {
		b.nulls = append(b.nulls, false)
	}
	b.nulls[b.n-1] = true
	b.Nulls = b.nulls
}

// Done is called after the last tuple was appended.
func (b *Batch) Done() {
	if b.Nulls == nil {
		return
	}
	for len(b.nulls) < b.n {
		b.nulls = append(b.nulls, false)
	}
	b.Nulls = b.nulls
}

// Take appends tuple n of the table to b.
func (t *Table) Take(b *Batch, n int) {
	switch t.form {
	case Word:
		b.AppendWords(0, t.words[n])
	case Pair:
		b.AppendWords(t.words[2*n], t.words[2*n+1])
	default:
		b.AppendBytes(t.bytes(n))
	}
}

// AppendEncoded appends a tuple by its encoded bytes.
func (b *Batch) AppendEncoded(tuple []byte) {
	switch b.form {
	case Word:
		b.AppendWords(0, word(tuple))
	case Pair:
		b.AppendWords(word(tuple[:len(tuple)-8]), word(tuple[len(tuple)-8:]))
	default:
		b.AppendBytes(tuple)
	}
}

// AppendRecord appends tuple i in a form that tells its length.
func (b *Batch) AppendRecord(dst []byte, i int) []byte {
	switch b.form {
	case Word:
		return binary.LittleEndian.AppendUint64(dst, b.Words[i])
	case Pair:
		dst = binary.LittleEndian.AppendUint64(dst, b.Words[2*i])
		return binary.LittleEndian.AppendUint64(dst, b.Words[2*i+1])
	default:
		t := b.Bytes(i)
		return append(binary.AppendUvarint(dst, uint64(len(t))), t...)
	}
}

// ReadRecord appends the tuple that AppendRecord has written at the start of
// rec to b and returns what follows it. It returns false where there is none.
func (b *Batch) ReadRecord(rec []byte) ([]byte, bool) {
	if b.form == Bytes {
		n, k := binary.Uvarint(rec)
		if k <= 0 || uint64(len(rec)-k) < n {
			return nil, false
		}
		b.AppendBytes(rec[k : k+int(n)])
		return rec[k+int(n):], true
	}
	if len(rec) < 8 || b.form == Pair && len(rec) < 16 {
		return nil, false
	}
	w := binary.LittleEndian.Uint64(rec)
	if b.form == Word {
		b.AppendWords(0, w)
		return rec[8:], true
	}
	b.AppendWords(w, binary.LittleEndian.Uint64(rec[8:]))
	return rec[16:], true
}
