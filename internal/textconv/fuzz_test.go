package textconv_test

import (
	"errors"
	"math/big"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/stretchr/testify/require"

	etl "github.com/tidemark-data/etl"
)

var (
	plainInt     = regexp.MustCompile(`^[+-]?[0-9]+$`)
	plainDecimal = regexp.MustCompile(`^[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]{1,3})?$`)
	isoDate      = regexp.MustCompile(`^\d{4}(-\d\d-|/\d\d/)\d\d$`)
	isoTime      = regexp.MustCompile(`^\d{4}(-\d\d-|/\d\d/)\d\d[Tt ]\d\d:\d\d:\d\d(\.\d{1,9})?$`)
)

// FuzzConversions compares every hand-written conversion with the standard
// library's.
func FuzzConversions(f *testing.F) {
	for _, s := range []string{"", "1", "-9223372036854775808", "2147483648", "1.5", "1e-3", ".5", "-12345.678e1", "99999999999999999999", "0.00",
		"2024-02-29", "1900/02/29", "2024-02-20 11:08:25.123456789", "1969-12-31T23:59:59.9999999", "2024-02-20T11:08:25+05:45", "NaN", "Infinity", "0x1p-2",
		"f47ac10b-58cc-4372-a567-0e02b2c3d479", "AAE=", "\xff", "true"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		checkInts(t, text)
		checkDecimal(t, text)
		checkTimes(t, text)
		for _, name := range []string{"bool", "float", "double", "timestamptz", "string", "binary", "uuid"} {
			_, _ = one(t, etl.Column{Type: typ(t, name)}, text)
		}
		_, _ = one(t, etl.Column{Type: etl.Date, Format: "02.01.06|Jan 2 2006"}, text)
		_, _ = one(t, etl.Column{Type: etl.Binary, Format: "hex"}, text)
	})
}

func checkInts(t *testing.T, text string) {
	for bits, name := range map[int]string{32: "int", 64: "long"} {
		got, rule := one(t, etl.Column{Type: typ(t, name)}, text)
		want, err := strconv.ParseInt(text, 10, bits)
		switch {
		case !plainInt.MatchString(text):
			require.Contains(t, rule, "not a", "%q", text)
		case errors.Is(err, strconv.ErrRange):
			require.Equal(t, "out of range for "+name, rule, "%q", text)
		default:
			require.Equal(t, strconv.FormatInt(want, 10), got, "%q", text)
		}
	}
}

func checkDecimal(t *testing.T, text string) {
	const precision, scale = 20, 4
	b := builder(t, etl.Column{Type: etl.Decimal(precision, scale)})
	rule := b.Append([]byte(text))
	if !plainDecimal.MatchString(text) {
		if rule == "" {
			require.Regexp(t, `[eE][+-]?[0-9]+$`, text) // a longer exponent
		}
		return
	}
	want, ok := new(big.Rat).SetString(text)
	require.True(t, ok, "%q", text)
	want.Mul(want, big.NewRat(10_000, 1))
	limit := new(big.Int).Exp(big.NewInt(10), big.NewInt(precision), nil)
	switch {
	case !want.IsInt():
		require.Equal(t, "more than 4 digits after the point", rule, "%q", text)
	case new(big.Int).Abs(want.Num()).Cmp(limit) >= 0:
		require.Equal(t, "out of range for decimal(20,4)", rule, "%q", text)
	default:
		require.Empty(t, rule, "%q", text)
		require.Equal(t, want.Num().String(), b.NewArray().(*array.Decimal128).Value(0).BigInt().String(), "%q", text)
	}
}

func checkTimes(t *testing.T, text string) {
	plain := strings.NewReplacer("/", "-", " ", "T", "t", "T").Replace(text)
	got, rule := one(t, etl.Column{Type: etl.Date}, text)
	want, err := time.Parse("2006-01-02", plain)
	require.Equal(t, isoDate.MatchString(text) && err == nil && want.Year() > 0, rule == "", "%q", text)
	if rule == "" {
		require.Equal(t, want.Format("2006-01-02"), got)
	}
	b := builder(t, etl.Column{Type: etl.Timestamp})
	rule = b.Append([]byte(text))
	want, err = time.Parse("2006-01-02T15:04:05", plain)
	require.Equal(t, isoTime.MatchString(text) && err == nil && want.Year() > 0, rule == "", "%q", text)
	if rule == "" {
		require.Equal(t, want.UnixMicro(), int64(b.NewArray().(*array.Timestamp).Value(0)), "%q", text)
	}
}
