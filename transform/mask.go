package transform

import (
	"context"
	"errors"
	"strings"
	"unicode/utf8"

	"github.com/apache/arrow-go/v18/arrow"

	"github.com/tidemark-data/etl"
)

// MaskRule says how [Mask] hides a text. Exactly one field is set.
type MaskRule struct {
	// KeepLast replaces each character but the last so many by "*". A text that is
	// not longer than that is replaced whole.
	KeepLast int
	// Fixed stands in the place of every text that is not null.
	Fixed string
	// Format keeps the shape: ASCII digits become 9; the space and ASCII
	// punctuation (U+0020 to U+007E without letters and digits) stay; every other
	// character becomes x.
	Format bool
}

// Mask hides the texts of a column for good: there is no way back, and texts that
// differ may become equal. To keep them apart, use [Tokenize].
func Mask(name string, rule MaskRule) etl.Transformer {
	options := map[string]any{"column": name}
	var mask func(dst []byte, s string) []byte
	set := 0
	if rule.KeepLast != 0 {
		options["keep_last"] = rule.KeepLast
		mask = func(dst []byte, s string) []byte { return keepLast(dst, s, rule.KeepLast) }
		set++
	}
	if rule.Fixed != "" {
		options["fixed"] = rule.Fixed
		mask = func(dst []byte, _ string) []byte { return append(dst, rule.Fixed...) }
		set++
	}
	if rule.Format {
		options["format"] = true
		mask = maskFormat
		set++
	}
	c := columnwise{
		decl: etl.Declaration{Kind: "mask", Options: options}, columns: []string{name}, out: textOnly,
		convert: func(_ context.Context, _ string, col arrow.Array) (arrow.Array, error) {
			s, err := asText(col)
			if err != nil {
				return nil, err
			}
			return mapText(s, textSize(s), func(dst []byte, i int) ([]byte, string) { return mask(dst, s.Value(i)), "" })
		},
	}
	if set != 1 || rule.KeepLast < 0 {
		c.invalid = errors.New("takes one of keep_last (1 or more), fixed and format")
	}
	return c
}

func keepLast(dst []byte, s string, n int) []byte {
	hide := utf8.RuneCountInString(s)
	if hide > n {
		hide -= n
	}
	for at := range s {
		if hide == 0 {
			return append(dst, s[at:]...)
		}
		dst = append(dst, '*')
		hide--
	}
	return dst
}

func maskFormat(dst []byte, s string) []byte {
	for _, r := range s {
		switch {
		case r >= '0' && r <= '9':
			dst = append(dst, '9')
		case r >= ' ' && r <= '~' && !strings.ContainsRune(asciiLetters, r):
			dst = append(dst, byte(r))
		default:
			dst = append(dst, 'x')
		}
	}
	return dst
}

const asciiLetters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
