package textconv

import (
	"fmt"
	"math"
	"math/rand/v2"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// TestQuickDates goes through the first and last days of every month that has
// four digits for its year, and through days that there are not.
func TestQuickDates(t *testing.T) {
	text := []byte("0000-00-00")
	two := func(at, v int) { text[at], text[at+1] = byte('0'+v/10), byte('0'+v%10) }
	for year := 1; year < 10_000; year++ {
		two(0, year/100)
		two(2, year%100)
		for month := 1; month <= 12; month++ {
			two(5, month)
			for _, day := range []int{1, 15, 28, 29, 30, 31} {
				two(8, day)
				days, ok := quickDate(text)
				want, valid := parseDate(text)
				if ok != valid || days != want || ok && day == 15 && int64(days)*86400 != time.Date(year, time.Month(month), day, 0, 0, 0, 0, time.UTC).Unix() {
					require.Fail(t, "wrong", "%s: %d", text, days)
				}
			}
		}
	}
	for _, s := range []string{"0000-01-01", "2023-02-29", "1900-02-29", "2024-02-30", "2024-04-31", "2024-00-01", "2024-13-01", "2024-01-00",
		"2024-01-32", "2024/01/01", "2024-01/01", "2024-1a-01", "2024-01-0:", "2024-01-\xb11", "-024-01-01"} {
		_, ok := quickDate([]byte(s))
		require.False(t, ok, s)
	}
}

// TestQuickNumbers compares with package strconv: what is read the quick way must
// be the very same number.
func TestQuickNumbers(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	quick := 0
	for range 50_000 {
		text := fmt.Appendf(nil, "%0*d", 1+r.IntN(18), r.Uint64()>>(1+r.IntN(63)))
		if at := r.IntN(len(text) + 2); at <= len(text) {
			text = append(text[:at:at], append([]byte{'.'}, text[at:]...)...)
		}
		if r.IntN(3) == 0 {
			text = append([]byte{'-'}, text...)
		}
		if r.IntN(9) == 0 {
			text[r.IntN(len(text))] = "-+.e:/ x\x00\xb0"[r.IntN(10)]
		}
		block := append([]byte("0.123456789012345678"), text...)
		s := Span{Start: 20, End: uint32(len(block))}
		want, err := strconv.ParseFloat(string(text), 64)
		if v, ok := quickDouble(block, s); ok {
			quick++
			require.NoError(t, err, "%q", text)
			require.Equal(t, math.Float64bits(want), math.Float64bits(v), "%q", text)
		}
		want, err = strconv.ParseFloat(string(text), 32)
		if v, ok := quickFloat(block, s); ok {
			require.NoError(t, err, "%q", text)
			require.Equal(t, math.Float32bits(float32(want)), math.Float32bits(v), "%q", text)
		}
		if v, ok := quickLong(block, s); ok {
			whole, err := strconv.ParseInt(string(text), 10, 64)
			require.NoError(t, err, "%q", text)
			require.Equal(t, whole, v)
		}
	}
	require.Greater(t, quick, 12_000, "most are read the quick way")
}

// TestCharactersCutInTwo: together the values are valid text, alone they are not.
func TestCharactersCutInTwo(t *testing.T) {
	text := []byte("caf\xc3\xa9 und mehr Text")
	b := &stringBuilder{}
	n, rule := b.AppendAll(text, []Span{{0, 3}, {0, 4}, {4, 9}})
	require.Equal(t, 1, n)
	require.Equal(t, "invalid UTF-8", rule)
	n, rule = b.AppendAll(text, []Span{Null(), {0, 5}, {5, 5}})
	require.Equal(t, 3, n)
	require.Empty(t, rule)
	require.Equal(t, `["caf" (null) "café" ""]`, b.NewArray().String())
}

// TestNumericLayouts compares with package time.
func TestNumericLayouts(t *testing.T) {
	chicago, err := time.LoadLocation("America/Chicago")
	require.NoError(t, err)
	r := rand.New(rand.NewPCG(9, 10))
	for _, form := range []string{"01/02/2006 03:04:05 PM", "02-01-2006 15:04", "20060102150405", "2006/01/02", "01/02/2006 03PM"} {
		l := newNumericLayout(form)
		require.NotNil(t, l, form)
		read := 0
		for range 20_000 {
			at := time.Date(1+r.IntN(9999), 1, r.IntN(366), r.IntN(24), r.IntN(60), r.IntN(60), 0, time.UTC)
			text := at.AppendFormat(nil, form)
			for range r.IntN(3) {
				text[r.IntN(len(text))] = "0123456789/: PAM"[r.IntN(16)]
			}
			want, err := time.ParseInLocation(form, string(text), chicago)
			if c, ok := l.read(text); ok {
				read++
				require.NoError(t, err, "%s", text)
				require.Equal(t, want.UnixMicro(), c.in(chicago), "%s", text)
			}
		}
		require.Greater(t, read, 6000, form)
	}
	for _, form := range []string{"2006-01-02 15:04:05.000", "2006-01-02 3:04PM", "2006-01-02T15:04", "Jan 02 2006", "2006-01-02 15:04-07", "2006-002",
		"2006-01-02 15:04 PM", "2006-01-02 03:04", "2006-01-02 04:05", "01-02", "2006-01-02 2006"} {
		require.Nil(t, newNumericLayout(form), form)
	}
}
