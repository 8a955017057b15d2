package expr

import (
	"errors"
	"regexp"
	"strings"
)

var errPattern = errors.New("pattern may have literals, ., classes in brackets, ( ), (?: ), |, *, +, ?, {n,m}, ^ and $, " +
	"and \\ before punctuation or d, w, s, D, W, S, t, n, r")

// CheckPattern compiles a regular expression of the subset that engines agree on:
// literals; "." for any character but a line feed; classes in brackets without
// names such as [:alpha:]; groups ( ) and (?: ); |, *, +, ?, {n}, {n,}, {n,m}; ^
// and $ for the start and the end of the text, not of lines; and the escapes \d, \w,
// \s and their opposites, which know ASCII only, \t, \n, \r, and \ before
// punctuation. Repetitions are not repeated.
func CheckPattern(pattern string) (*regexp.Regexp, error) {
	class := false
	for i := 0; i < len(pattern); i++ {
		rest := pattern[i+1:]
		switch c := pattern[i]; {
		case c == '\\':
			if rest == "" || !strings.ContainsRune("dwsDWStnr", rune(rest[0])) && !punctuation(rest[0]) {
				return nil, errPattern
			}
			i++
		case class && c == '[':
			return nil, errPattern
		case class && (c == '&' || c == '-' || c == '~' || c == '|') && rest != "" && rest[0] == c:
			return nil, errPattern // set operations elsewhere
		case class:
			class = c != ']'
		case c == '[':
			class = true
			if strings.HasPrefix(rest, "^") {
				i++
			}
			if strings.HasPrefix(pattern[i+1:], "]") {
				return nil, errPattern
			}
		case c == '(' && strings.HasPrefix(rest, "?") && !strings.HasPrefix(rest, "?:"):
			return nil, errPattern
		case (c == '*' || c == '+' || c == '?' || c == '}') && rest != "" && strings.ContainsRune("+?*{", rune(rest[0])):
			return nil, errPattern
		}
	}
	re, err := regexp.Compile(pattern)
	if err != nil {
		return nil, errors.New("pattern is not a regular expression")
	}
	return re, nil
}

func punctuation(c byte) bool {
	return strings.IndexByte("!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~", c) >= 0
}
