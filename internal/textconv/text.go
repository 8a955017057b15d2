package textconv

import (
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"slices"
	"unicode/utf8"

	"github.com/apache/arrow-go/v18/arrow"
)

type stringBuilder struct{ variable }

func (b *stringBuilder) Append(text []byte) string {
	if !utf8.Valid(text) {
		return "invalid UTF-8"
	}
	b.bytes = append(b.bytes, text...)
	b.ended()
	return ""
}

// AppendAll implements Builder. Values are copied first and looked at together:
// they are valid if all of them in a row are, and each begins with a character.
func (b *stringBuilder) AppendAll(text []byte, spans []Span) (int, string) {
	b.begin()
	total := 0
	for _, s := range spans {
		if !s.IsNull() {
			total += int(s.End - s.Start)
		}
	}
	start, ends := len(b.bytes), len(b.offsets)
	b.bytes = slices.Grow(b.bytes, total+8)
	b.offsets = slices.Grow(b.offsets, len(spans))[:ends+len(spans)]
	if b.copyAll(text, spans, b.bytes[:start+total+8], b.offsets[ends:]) && utf8.Valid(b.bytes[start:start+total]) {
		b.bytes = b.bytes[:start+total]
		b.mark(spans)
		return len(spans), ""
	}
	b.offsets = b.offsets[:ends]
	return appendEach(b, text, spans)
}

// copyAll copies the values to the end of dst, which has 8 bytes to spare, and
// reports whether none begins in the middle of a character.
func (b *stringBuilder) copyAll(text []byte, spans []Span, dst []byte, ends []int32) bool {
	at, good := len(b.bytes), true
	for i, s := range spans {
		if n := int(s.End) - int(s.Start); n > 0 {
			from := int(s.Start)
			if n <= 8 && from+8 <= len(text) {
				*(*[8]byte)(dst[at:]) = [8]byte(text[from:])
			} else {
				copy(dst[at:at+n], text[from:])
			}
			good = good && utf8.RuneStart(text[from])
			at += n
		}
		ends[i] = int32(at)
	}
	return good
}

func (b *stringBuilder) NewArray() arrow.Array { return b.newArray(arrow.BinaryTypes.String) }

type binaryBuilder struct {
	variable
	hex bool
}

func newBinaryBuilder(format string) (Builder, error) {
	switch format {
	case "", "base64":
		return &binaryBuilder{}, nil
	case "hex":
		return &binaryBuilder{hex: true}, nil
	}
	return nil, fmt.Errorf("format %q of binary is not hex or base64", format)
}

func (b *binaryBuilder) Append(text []byte) string {
	if b.hex {
		return b.appendHex(text)
	}
	start, encoding := len(b.bytes), base64.StdEncoding
	if len(text)%4 != 0 {
		encoding = base64.RawStdEncoding
	}
	out, err := encoding.AppendDecode(b.bytes, text)
	if err != nil {
		b.bytes = b.bytes[:start]
		return "not base64"
	}
	b.bytes = out
	b.ended()
	return ""
}

// appendHex takes a prefix 0x or \x, as databases write it.
func (b *binaryBuilder) appendHex(text []byte) string {
	if len(text) >= 2 && (text[0] == '0' || text[0] == '\\') && (text[1] == 'x' || text[1] == 'X') {
		text = text[2:]
	}
	start := len(b.bytes)
	out, err := hex.AppendDecode(b.bytes, text)
	if err != nil {
		b.bytes = b.bytes[:start]
		return "not hexadecimal"
	}
	b.bytes = out
	b.ended()
	return ""
}

// AppendAll implements Builder.
func (b *binaryBuilder) AppendAll(text []byte, spans []Span) (int, string) {
	return appendEach(b, text, spans)
}

func (b *binaryBuilder) NewArray() arrow.Array { return b.newArray(arrow.BinaryTypes.Binary) }

type uuidBuilder struct {
	validity
	dt     arrow.DataType
	values []byte
}

// Append reads 32 hexadecimal digits, bare or in the groups of RFC 9562.
func (b *uuidBuilder) Append(text []byte) string {
	var digits [32]byte
	switch len(text) {
	case 32:
		copy(digits[:], text)
	case 36:
		if text[8] != '-' || text[13] != '-' || text[18] != '-' || text[23] != '-' {
			return "not a uuid"
		}
		copy(digits[:], text[:8])
		copy(digits[8:], text[9:13])
		copy(digits[12:], text[14:18])
		copy(digits[16:], text[19:23])
		copy(digits[20:], text[24:])
	default:
		return "not a uuid"
	}
	var id [16]byte
	if _, err := hex.Decode(id[:], digits[:]); err != nil {
		return "not a uuid"
	}
	b.values = append(b.values, id[:]...)
	b.valid()
	return ""
}

// AppendAll implements Builder.
func (b *uuidBuilder) AppendAll(text []byte, spans []Span) (int, string) {
	return appendEach(b, text, spans)
}

func (b *uuidBuilder) AppendNull() {
	b.values = append(b.values, make([]byte, 16)...)
	b.null()
}

func (b *uuidBuilder) Bytes() int { return len(b.values) }

func (b *uuidBuilder) NewArray() arrow.Array {
	values := b.values
	b.values = make([]byte, 0, len(values))
	return makeArray(b.data(b.dt, values))
}
