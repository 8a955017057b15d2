package transform

import (
	"context"
	"fmt"
	"slices"
	"unicode"
	"unicode/utf8"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/tidemark-data/etl"
)

// Case is what [Normalize] does to letters.
type Case string

// The cases. Each character is mapped by itself, by Unicode's case mapping
// without context or language; one whose mapping is more than one character (as
// that of U+00DF to upper) stays as it is.
const (
	CaseLower Case = "lower"
	CaseUpper Case = "upper"
)

// Normal says what [Normalize] does, in the order of the fields.
type Normal struct {
	// Trim cuts white space at both ends: Unicode's property White_Space, U+0009
	// to U+000D, U+0020, U+0085, U+00A0, U+1680, U+2000 to U+200A, U+2028, U+2029,
	// U+202F, U+205F and U+3000.
	Trim bool
	// Collapse puts one space (U+0020) in the place of each run of white space.
	Collapse bool
	// Case is empty, CaseLower or CaseUpper.
	Case Case
	// EmptyToNull makes the empty text null, at last.
	EmptyToNull bool
}

// Trim cuts white space at both ends of the texts of columns, as [Normal] says.
func Trim(columns ...string) etl.Transformer {
	t := normalize(Normal{Trim: true}, columns)
	t.decl = declared("trim", "columns", slices.Clone(columns))
	return t
}

// Normalize changes the texts of columns.
func Normalize(to Normal, columns ...string) etl.Transformer { return normalize(to, columns) }

func normalize(to Normal, columns []string) columnwise {
	c := columnwise{columns: slices.Clone(columns), out: textOnly}
	c.decl = etl.Declaration{Kind: "normalize", Options: map[string]any{
		"columns": c.columns, "trim": to.Trim, "collapse": to.Collapse, "case": string(to.Case), "empty_to_null": to.EmptyToNull,
	}}
	switch {
	case to.Case != "" && to.Case != CaseLower && to.Case != CaseUpper:
		c.invalid = fmt.Errorf("case %q is not lower or upper", to.Case)
	case to == (Normal{}):
		c.invalid = fmt.Errorf("nothing to do")
	}
	c.convert = func(_ context.Context, _ string, col arrow.Array) (arrow.Array, error) {
		s, err := asText(col)
		if err != nil {
			return nil, err
		}
		out, err := mapText(s, textSize(s), func(dst []byte, i int) ([]byte, string) {
			return to.append(dst, s.Value(i)), ""
		})
		if err != nil || !to.EmptyToNull {
			return out, err
		}
		defer out.Release()
		return emptyToNull(out.(*array.String)), nil
	}
	return c
}

// append appends the normal form of a text.
func (n Normal) append(dst []byte, s string) []byte {
	start, end := 0, len(s)
	if n.Trim {
		for start < end {
			r, size := utf8.DecodeRuneInString(s[start:end])
			if !unicode.IsSpace(r) {
				break
			}
			start += size
		}
		for start < end {
			r, size := utf8.DecodeLastRuneInString(s[start:end])
			if !unicode.IsSpace(r) {
				break
			}
			end -= size
		}
	}
	if !n.Collapse && n.Case == "" {
		return append(dst, s[start:end]...)
	}
	space := false
	for _, r := range s[start:end] {
		if n.Collapse && unicode.IsSpace(r) {
			if !space {
				dst = append(dst, ' ')
			}
			space = true
			continue
		}
		space = false
		dst = utf8.AppendRune(dst, n.Case.Map(r))
	}
	return dst
}

// Map maps one character.
func (c Case) Map(r rune) rune {
	switch {
	case c == "":
	case r < 0x80:
		if c == CaseLower && r >= 'A' && r <= 'Z' || c == CaseUpper && r >= 'a' && r <= 'z' {
			return r ^ 0x20
		}
	case c == CaseLower && r != 0x130:
		return unicode.ToLower(r)
	case c == CaseUpper && !longUpper(r):
		return unicode.ToUpper(r)
	}
	return r
}

// longUpper reports whether the upper case of a character that has a short one
// is several characters (Unicode, SpecialCasing.txt: Greek with iota subscript).
func longUpper(r rune) bool {
	return r >= 0x1f80 && r <= 0x1faf || r == 0x1fb3 || r == 0x1fc3 || r == 0x1ff3
}

func emptyToNull(s *array.String) arrow.Array {
	empty := false
	for i := 0; i < s.Len() && !empty; i++ {
		empty = s.IsValid(i) && s.ValueLen(i) == 0
	}
	if !empty {
		s.Retain()
		return s
	}
	b := array.NewStringBuilder(memory.DefaultAllocator)
	defer b.Release()
	b.Reserve(s.Len())
	for i := range s.Len() {
		if s.IsNull(i) || s.ValueLen(i) == 0 {
			b.AppendNull()
		} else {
			b.Append(s.Value(i))
		}
	}
	return b.NewArray()
}
