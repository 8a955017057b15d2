package format

import (
	"unicode/utf16"
	"unicode/utf8"
)

// The kinds of JSON values, as far as columns tell them apart.
type jsonKind uint8

const (
	jsonNull    jsonKind = iota
	jsonString           // text is the string without escapes
	jsonLiteral          // text is a number, true or false
	jsonNested           // text is an object or array as it stands
)

type jsonValue struct {
	kind jsonKind
	text []byte // valid until the next value
}

// maxJSONDepth limits how deep values are nested.
const maxJSONDepth = 200

const badJSON = "not a JSON object"

// jsonParser reads one object at a time (RFC 8259). It keeps its buffers.
type jsonParser struct {
	b    []byte
	i    int
	name []byte
	text []byte
}

// object calls member for each member of the object that line holds, and nothing
// but it, until member returns false. It returns the rule that the line
// violates, "" if none.
func (p *jsonParser) object(line []byte, member func(name []byte, v jsonValue) bool) (rule string) {
	p.b, p.i = line, 0
	if !p.next('{') {
		return badJSON
	}
	if p.next('}') {
		return p.end()
	}
	for {
		p.space()
		name, ok := p.str(p.name[:0])
		if !ok || !p.next(':') {
			return badJSON
		}
		p.name = name
		v, ok := p.value()
		if !ok {
			return badJSON
		}
		if !member(name, v) {
			return ""
		}
		switch {
		case p.next(','):
		case p.next('}'):
			return p.end()
		default:
			return badJSON
		}
	}
}

func (p *jsonParser) end() string {
	if p.space(); p.i < len(p.b) {
		return badJSON
	}
	return ""
}

func (p *jsonParser) space() {
	for p.i < len(p.b) && (p.b[p.i] == ' ' || p.b[p.i] == '\t' || p.b[p.i] == '\r' || p.b[p.i] == '\n') {
		p.i++
	}
}

// next passes over space and c, if c is there.
func (p *jsonParser) next(c byte) bool {
	p.space()
	if p.i < len(p.b) && p.b[p.i] == c {
		p.i++
		return true
	}
	return false
}

func (p *jsonParser) value() (jsonValue, bool) {
	p.space()
	if p.i == len(p.b) {
		return jsonValue{}, false
	}
	start := p.i
	switch p.b[p.i] {
	case '"':
		text, ok := p.str(p.text[:0])
		p.text = text
		return jsonValue{jsonString, text}, ok
	case '{', '[':
		ok := p.skip(0)
		return jsonValue{jsonNested, p.b[start:p.i]}, ok
	case 'n':
		return jsonValue{}, p.word("null")
	}
	ok := p.literal()
	return jsonValue{jsonLiteral, p.b[start:p.i]}, ok
}

func (p *jsonParser) word(w string) bool {
	if len(p.b)-p.i < len(w) || string(p.b[p.i:p.i+len(w)]) != w {
		return false
	}
	p.i += len(w)
	return true
}

func (p *jsonParser) literal() bool {
	switch p.b[p.i] {
	case 't':
		return p.word("true")
	case 'f':
		return p.word("false")
	}
	return p.number()
}

// number reads what RFC 8259, section 6 calls one.
func (p *jsonParser) number() bool {
	p.one('-', '-')
	if !p.one('0', '0') && !p.digits() {
		return false
	}
	if p.one('.', '.') && !p.digits() {
		return false
	}
	if p.one('e', 'E') {
		p.one('+', '-')
		return p.digits()
	}
	return true
}

func (p *jsonParser) one(a, b byte) bool {
	if p.i < len(p.b) && (p.b[p.i] == a || p.b[p.i] == b) {
		p.i++
		return true
	}
	return false
}

func (p *jsonParser) digits() bool {
	start := p.i
	for p.i < len(p.b) && p.b[p.i] >= '0' && p.b[p.i] <= '9' {
		p.i++
	}
	return p.i > start
}

// skip passes over a value of any kind.
func (p *jsonParser) skip(depth int) bool {
	p.space()
	if p.i == len(p.b) || depth > maxJSONDepth {
		return false
	}
	switch p.b[p.i] {
	case '"':
		text, ok := p.str(p.text[:0])
		p.text = text
		return ok
	case '[':
		return p.skipAll(']', depth, func() bool { return p.skip(depth + 1) })
	case '{':
		return p.skipAll('}', depth, func() bool {
			p.space()
			text, ok := p.str(p.text[:0])
			p.text = text
			return ok && p.next(':') && p.skip(depth+1)
		})
	case 'n':
		return p.word("null")
	}
	return p.literal()
}

func (p *jsonParser) skipAll(end byte, depth int, item func() bool) bool {
	p.i++
	if p.next(end) {
		return true
	}
	for item() {
		if p.next(end) {
			return true
		}
		if !p.next(',') {
			return false
		}
	}
	return false
}

// str appends the string that begins here to dst, without escapes.
func (p *jsonParser) str(dst []byte) ([]byte, bool) {
	if p.i == len(p.b) || p.b[p.i] != '"' {
		return dst, false
	}
	p.i++
	for start := p.i; p.i < len(p.b); {
		switch c := p.b[p.i]; {
		case c == '"':
			dst = append(dst, p.b[start:p.i]...)
			p.i++
			return dst, true
		case c < 0x20:
			return dst, false
		case c == '\\':
			dst = append(dst, p.b[start:p.i]...)
			p.i++
			var ok bool
			if dst, ok = p.escape(dst); !ok {
				return dst, false
			}
			start = p.i
		default:
			p.i++
		}
	}
	return dst, false
}

var jsonEscapes = map[byte]byte{'"': '"', '\\': '\\', '/': '/', 'b': '\b', 'f': '\f', 'n': '\n', 'r': '\r', 't': '\t'}

func (p *jsonParser) escape(dst []byte) ([]byte, bool) {
	if p.i == len(p.b) {
		return dst, false
	}
	c := p.b[p.i]
	p.i++
	if c != 'u' {
		e, ok := jsonEscapes[c]
		return append(dst, e), ok
	}
	r, ok := p.hex4()
	if !ok {
		return dst, false
	}
	if !utf16.IsSurrogate(r) {
		return utf8.AppendRune(dst, r), true
	}
	if !p.one('\\', '\\') || !p.one('u', 'u') {
		return dst, false
	}
	low, ok := p.hex4()
	both := utf16.DecodeRune(r, low)
	return utf8.AppendRune(dst, both), ok && both != utf8.RuneError
}

func (p *jsonParser) hex4() (r rune, ok bool) {
	if len(p.b)-p.i < 4 {
		return 0, false
	}
	for _, c := range p.b[p.i : p.i+4] {
		switch {
		case c >= '0' && c <= '9':
			c -= '0'
		case c >= 'a' && c <= 'f':
			c -= 'a' - 10
		case c >= 'A' && c <= 'F':
			c -= 'A' - 10
		default:
			return 0, false
		}
		r = r<<4 | rune(c)
	}
	p.i += 4
	return r, true
}
