package format

import (
	"bytes"
	"context"
	"fmt"
	"io"
)

// badRecord is the rule that the next record violates, badInput one that the
// whole file does.
type (
	badRecord string
	badInput  string
)

func (e badRecord) Error() string { return string(e) }
func (e badInput) Error() string  { return string(e) }

// splitter cuts text into records and records into fields. It looks for line
// breaks first: a line without a quote is a record, and only the fields that
// somebody wants are cut out of it. A line with a quote is read field by field.
type splitter struct {
	ctx       context.Context
	r         io.Reader
	buf       []byte
	pos, end  int // what is left to read is buf[pos:end]
	eof       bool
	delim     byte
	delims    uint64 // eight times delim
	quote     byte
	maxRow    int
	skipBlank bool
	noQuotes  bool // the text is known to have none

	// moving is called before what is in buf is moved; nil if nobody minds.
	moving func() error

	// line is the current record without its line break, valid until next, and
	// at where it lies in buf.
	line []byte
	at   int
	// fields are offsets into line: all of them if parsed is set, else those
	// that fieldsUpTo has cut.
	fields []field
	parsed bool
}

type field struct {
	start, end      int
	quoted, escaped bool
}

const (
	leastBuffer = 4 << 10
	usualBuffer = 1 << 20
)

func newSplitter(ctx context.Context, r io.Reader, c CSV, size int64) *splitter {
	room := usualBuffer
	if size < usualBuffer/4 { // compressed or not, it is a small file
		room = max(leastBuffer, int(size)*2)
	}
	return &splitter{
		ctx: ctx, r: r, buf: make([]byte, room),
		delim: c.Delimiter, delims: uint64(c.Delimiter) * everyByte, quote: c.Quote, maxRow: c.MaxRowBytes,
	}
}

// begin skips a byte order mark.
func (s *splitter) begin() error {
	if err := s.fill(); err != nil {
		return err
	}
	head := s.buf[:s.end]
	if bytes.HasPrefix(head, []byte{0xef, 0xbb, 0xbf}) {
		s.pos = 3
	}
	if bytes.HasPrefix(head, []byte{0xff, 0xfe}) || bytes.HasPrefix(head, []byte{0xfe, 0xff}) {
		return badInput("file is UTF-16, expected UTF-8")
	}
	return nil
}

// next goes to the next record; false is the end of the file.
func (s *splitter) next() (bool, error) {
	looked := 0 // bytes after pos without a line break
	for {
		i := bytes.IndexByte(s.buf[s.pos+looked:s.end], '\n')
		switch {
		case i >= 0:
			i += s.pos + looked
			looked = 0
			if !s.noQuotes && bytes.IndexByte(s.buf[s.pos:i], s.quote) >= 0 {
				return s.nextQuoted()
			}
			if err := s.take(i, i+1); err != nil {
				return false, err
			}
		case !s.eof:
			looked = s.end - s.pos
			if err := s.fill(); err != nil {
				return false, err
			}
			continue
		case s.pos == s.end:
			return false, nil
		case !s.noQuotes && bytes.IndexByte(s.buf[s.pos:s.end], s.quote) >= 0:
			return s.nextQuoted()
		default:
			looked = 0
			if err := s.take(s.end, s.end); err != nil {
				return false, err
			}
		}
		if len(s.line) > 0 || !s.skipBlank {
			return true, nil
		}
	}
}

// take makes buf[pos:end] the current record and goes on at next.
func (s *splitter) take(end, next int) error {
	s.line = s.buf[s.pos:end]
	if len(s.line) > s.maxRow {
		return s.tooLong()
	}
	if n := len(s.line); n > 0 && s.line[n-1] == '\r' {
		s.line = s.line[:n-1]
	}
	s.fields, s.parsed, s.at, s.pos = s.fields[:0], false, s.pos, next
	return nil
}

func (s *splitter) tooLong() error {
	return badRecord(fmt.Sprintf("row is longer than %d bytes", s.maxRow))
}

// nextQuoted takes the record that starts at pos and has quotes.
func (s *splitter) nextQuoted() (bool, error) {
	for {
		n, rule := s.parse(s.buf[s.pos:s.end])
		switch {
		case n > s.maxRow+2: // whatever else is wrong beyond that
			return false, s.tooLong()
		case rule != "":
			return false, badRecord(rule)
		case n >= 0:
			s.line, s.parsed, s.at = s.buf[s.pos:s.pos+n], true, s.pos
			s.pos += n
			return true, nil
		}
		if err := s.fill(); err != nil {
			return false, err
		}
	}
}

// parse finds the fields of the record at the start of b. It returns the length
// of the record with its line break, or -1 if b does not have all of it, or
// where it violates the rule.
func (s *splitter) parse(b []byte) (n int, rule string) {
	s.fields = s.fields[:0]
	for i := 0; ; {
		var last bool
		if i < len(b) && b[i] == s.quote {
			i, last, rule = s.parseQuoted(b, i)
		} else {
			i, last, rule = s.parseBare(b, i)
		}
		if i < 0 || last || rule != "" {
			return i, rule
		}
	}
}

// parseBare reads the field without quotes that starts at i. It returns where
// the next field starts, or the next record if last is set; -1 asks for more.
func (s *splitter) parseBare(b []byte, i int) (next int, last bool, rule string) {
	start := i
	for i < len(b) && b[i] != s.delim && b[i] != '\n' {
		if b[i] == s.quote {
			return i, false, "quote inside an unquoted field"
		}
		i++
	}
	if i == len(b) && !s.eof {
		return -1, false, ""
	}
	end := i
	last = i == len(b) || b[i] == '\n'
	if last && end > start && b[end-1] == '\r' {
		end--
	}
	s.fields = append(s.fields, field{start: start, end: end})
	return min(i+1, len(b)), last, ""
}

// parseQuoted is parseBare for a field whose opening quote is at i.
func (s *splitter) parseQuoted(b []byte, i int) (next int, last bool, rule string) {
	start, escaped := i+1, false
	for i++; ; i += 2 {
		k := bytes.IndexByte(b[i:], s.quote)
		switch {
		case k < 0 && s.eof:
			return len(b), false, "quote is not closed"
		case k < 0:
			return -1, false, ""
		}
		i += k
		if i+1 == len(b) && !s.eof {
			return -1, false, "" // the next byte may be a second quote
		}
		if i+1 == len(b) || b[i+1] != s.quote {
			break
		}
		escaped = true
	}
	s.fields = append(s.fields, field{start, i, true, escaped})
	return s.afterQuote(b, i+1)
}

// afterQuote reads what follows a closing quote.
func (s *splitter) afterQuote(b []byte, i int) (next int, last bool, rule string) {
	if i < len(b) && b[i] == '\r' {
		if i+1 == len(b) && !s.eof {
			return -1, false, ""
		}
		if i+1 == len(b) || b[i+1] == '\n' {
			i++
		}
	}
	switch {
	case i == len(b):
		return i, true, ""
	case b[i] == '\n':
		return i + 1, true, ""
	case b[i] == s.delim:
		return i + 1, false, ""
	}
	return i, false, "text after a closing quote"
}

// fieldsUpTo cuts at least the first need fields out of the record, or all of
// them if there are fewer, and returns how many the record has.
func (s *splitter) fieldsUpTo(need int) int {
	if s.parsed {
		return len(s.fields)
	}
	s.fields = s.fields[:0]
	start := 0
	for len(s.fields) < need {
		i := bytes.IndexByte(s.line[start:], s.delim)
		if i < 0 {
			s.fields = append(s.fields, field{start: start, end: len(s.line)})
			return len(s.fields)
		}
		s.fields = append(s.fields, field{start: start, end: start + i})
		start += i + 1
	}
	return need + 1 + bytes.Count(s.line[start:], []byte{s.delim})
}

// fill moves what is left to the front of the buffer and reads until it is full.
func (s *splitter) fill() error {
	if err := s.ctx.Err(); err != nil {
		return err
	}
	if s.moving != nil {
		if err := s.moving(); err != nil {
			return err
		}
	}
	left := s.buf[s.pos:s.end]
	if len(left) > s.maxRow+2 {
		// What is wrong with the record does not depend on how much of it was read.
		if n, rule := s.parse(left); rule != "" && n <= s.maxRow+2 {
			return badRecord(rule)
		}
		return s.tooLong()
	}
	if len(left) > len(s.buf)/2 {
		s.buf = make([]byte, 2*len(s.buf))
	}
	s.end, s.pos = copy(s.buf, left), 0
	n, err := io.ReadFull(s.r, s.buf[s.end:])
	s.end += n
	if err == io.EOF || err == io.ErrUnexpectedEOF {
		s.eof = true
		return nil
	}
	return err
}
