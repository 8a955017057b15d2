package format

import (
	"bytes"
	"fmt"
	"math/bits"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"

	etl "github.com/tidemark-data/etl"
	"github.com/tidemark-data/etl/internal/textconv"
)

// Records are cut into fields first, a block of them, and then converted column
// by column.
const (
	blockRows  = 256
	blockBytes = 1 << 20
)

// block is records that are cut, but not yet converted.
type block struct {
	rows  int
	base  int             // where its text begins in the splitter's buffer
	spans []textconv.Span // by column and row: in that text
	ends  []uint32        // of the fields of the record in the making
}

func (s *csvScan) blockIsFull() bool {
	b := &s.block
	return b.rows == blockRows || len(s.numbers) == s.limit || len(s.bad.records) >= batchRows || s.split.pos-b.base >= blockBytes || s.taken >= batchBytes
}

// add cuts the current record.
func (s *csvScan) add() error {
	b := &s.block
	if b.rows == 0 {
		b.base = s.split.at
	}
	var n int
	if s.split.parsed {
		n = len(s.split.fields)
	} else {
		n = s.cutPlain()
	}
	if s.csv.share != nil {
		if mine, err := s.isMine(n); !mine || err != nil {
			return err
		}
	}
	if n != s.width {
		return s.wrong(s.row, "", fmt.Sprintf("has %d fields, expected %d", n, s.width))
	}
	if len(s.split.line) > s.csv.MaxFieldBytes {
		if err := s.checkFieldLengths(); err != nil {
			return err
		}
	}
	if s.split.parsed || s.words {
		for i := range s.columns {
			if at := s.columns[i].at; at >= 0 {
				b.spans[i*blockRows+b.rows] = s.span(i, at)
			}
		}
	} else {
		for i, at := range s.places {
			if at >= 0 {
				b.spans[i*blockRows+b.rows] = b.plainSpan(at)
			}
		}
	}
	b.rows++
	if s.numbers == nil {
		s.numbers = make([]int64, 0, s.usual+s.usual/16)
	}
	s.numbers = append(s.numbers, s.row)
	s.taken += len(s.split.line)
	return nil
}

// plainSpan is that of a field of a record without quotes.
func (b *block) plainSpan(at int) textconv.Span {
	from, to := b.ends[at]+1, b.ends[at+1]
	if from == to {
		return textconv.Null()
	}
	return textconv.Span{Start: from, End: to}
}

// cutPlain finds the fields of a record without quotes up to the last one that
// is wanted, and returns how many there are: field i lies between ends i and i+1.
func (s *csvScan) cutPlain() int {
	line, ends := s.split.line, s.block.ends
	at := uint32(s.split.at - s.block.base)
	ends[0] = at - 1
	n := 1
	for len(line) > 0 {
		found, width := delimiters(line, s.split.delims), min(len(line), 64)
		for ; found != 0 && n < len(ends); found &= found - 1 {
			ends[n] = at + uint32(bits.TrailingZeros64(found))
			n++
		}
		line = line[width:]
		if n == len(ends) {
			return n + bits.OnesCount64(found) + bytes.Count(line, []byte{s.split.delim})
		}
		at += uint32(width)
	}
	if n < len(ends) {
		ends[n] = at
	}
	return n
}

func (s *csvScan) checkFieldLengths() error {
	s.split.fieldsUpTo(s.width)
	for _, f := range s.split.fields {
		if f.end-f.start > s.csv.MaxFieldBytes {
			return s.wrong(s.row, "", fmt.Sprintf("field is longer than %d bytes", s.csv.MaxFieldBytes))
		}
	}
	return nil
}

// span is that of wanted column i, which is the given field of the record.
func (s *csvScan) span(i, at int) textconv.Span {
	if !s.split.parsed {
		p := s.block.plainSpan(at)
		if p.IsNull() || s.isNull(i, s.split.buf[s.block.base:][p.Start:p.End]) {
			return textconv.Null()
		}
		return p
	}
	f := &s.split.fields[at]
	text := s.split.line[f.start:f.end]
	switch {
	case f.escaped:
		f.end, f.escaped = f.start+unescape(text, s.csv.Quote), false
	case f.quoted && len(text) == 0 && !s.columns[i].textual, !f.quoted && (len(text) == 0 || s.isNull(i, text)):
		return textconv.Null()
	}
	from := s.split.at - s.block.base
	return textconv.Span{Start: uint32(from + f.start), End: uint32(from + f.end)}
}

// isNull reports whether a text that is not quoted means null, and notes where
// it means more than that.
func (s *csvScan) isNull(i int, text []byte) bool {
	if s.csv.NotSupplied != nil && string(text) == *s.csv.NotSupplied {
		if s.req.Kind != etl.Full {
			s.markUnsupplied(i)
		}
		return true
	}
	return string(text) == s.csv.Null
}

// unescape takes the second of each two quotes out of a text, in place, and
// returns its new length. What is left over becomes quotes.
func unescape(text []byte, quote byte) int {
	n := 0
	for i := 0; i < len(text); i++ {
		text[n] = text[i]
		n++
		if text[i] == quote {
			i++
		}
	}
	for i := n; i < len(text); i++ {
		text[i] = quote
	}
	return n
}

// convert appends the records of the block to the columns, up to the first one
// that is bad.
func (s *csvScan) convert() error {
	b := &s.block
	if b.rows == 0 {
		return nil
	}
	text := s.split.buf[b.base:s.split.end]
	first := len(s.numbers) - b.rows
	var bad error
	for i := range s.columns {
		spans := b.spans[i*blockRows:][:b.rows]
		if s.columns[i].at < 0 {
			s.absent(i, first, spans)
		}
		n, rule := s.columns[i].builder.AppendAll(text, spans)
		if rule != "" && s.req.Tolerant {
			s.pass(i, first, n, text, spans, rule)
		} else if rule != "" {
			bad = s.wrong(s.numbers[first+n], s.req.Columns[i].Name, rule)
			b.rows = n
		}
	}
	s.numbers = s.numbers[:first+b.rows]
	b.rows = 0
	return bad
}

// pass goes on with a column after a bad value at spans[n]: it becomes null, and its
// record is left out of the batch.
func (s *csvScan) pass(i, first, n int, text []byte, spans []textconv.Span, rule string) {
	for rule != "" {
		s.bad.drop(first+n, s.wrong(s.numbers[first+n], s.req.Columns[i].Name, rule))
		s.columns[i].builder.AppendNull()
		var more int
		more, rule = s.columns[i].builder.AppendAll(text, spans[n+1:])
		n += 1 + more
	}
}

// absent fills in a column that the file does not have.
func (s *csvScan) absent(i, first int, spans []textconv.Span) {
	for j := range spans {
		spans[j] = textconv.Null()
		if s.columns[i].at == absentUnsupplied {
			s.markAt(i, first+j)
		}
	}
}

// markUnsupplied is for column i of the record in the making.
func (s *csvScan) markUnsupplied(i int) { s.markAt(i, len(s.numbers)) }

func (s *csvScan) markAt(i, row int) {
	if s.unsupplied == nil {
		s.unsupplied = make([][]bool, len(s.columns))
	}
	if s.unsupplied[i] == nil {
		s.unsupplied[i] = make([]bool, batchRows)
	}
	s.unsupplied[i][row] = true
}

// flush yields the batch, if it has rows.
func (s *csvScan) flush(yield func(etl.Rows, error) bool) bool {
	n := len(s.numbers)
	if n == 0 && len(s.bad.records) == 0 {
		return true
	}
	s.given += n
	s.usual = max(n, s.usual-s.usual/8)
	arrays := make([]arrow.Array, len(s.columns))
	for i := range s.columns {
		arrays[i] = s.columns[i].builder.NewArray()
		if arrays[i].Len() > n { // with a value of the bad record that ends the scan
			whole := arrays[i]
			arrays[i] = array.NewSlice(whole, 0, int64(n))
			whole.Release()
		}
	}
	for i, u := range s.unsupplied {
		if u != nil {
			s.unsupplied[i] = u[:n]
		}
	}
	rows := etl.Rows{
		Record:     array.NewRecordBatch(s.schema, arrays, int64(n)),
		Numbers:    s.numbers,
		Unsupplied: s.unsupplied,
	}
	for _, a := range arrays {
		a.Release()
	}
	s.numbers, s.unsupplied, s.taken = nil, nil, 0
	defer func() { rows.Record.Release() }()
	if err := s.bad.leave(&rows); err != nil {
		yield(etl.Rows{}, err)
		return false
	}
	return yield(rows, nil)
}
