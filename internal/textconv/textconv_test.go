package textconv_test

import (
	"math"
	"strings"
	"testing"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/decimal128"
	"github.com/stretchr/testify/require"

	etl "github.com/tidemark-data/etl"
	"github.com/tidemark-data/etl/internal/textconv"
)

func builder(t testing.TB, col etl.Column) textconv.Builder {
	b, err := textconv.New(col)
	require.NoError(t, err)
	return b
}

func typ(t testing.TB, name string) etl.Type {
	parsed, err := etl.ParseType(name)
	require.NoError(t, err)
	return parsed
}

// one converts a single text.
func one(t testing.TB, col etl.Column, text string) (value, rule string) {
	b := builder(t, col)
	rule = b.Append([]byte(text))
	a := b.NewArray()
	sameTogether(t, col, text, a, rule)
	require.True(t, arrow.TypeEqual(col.Type.Arrow(), a.DataType()), "%v", a.DataType())
	if rule != "" {
		require.Zero(t, a.Len(), "what is refused is not appended")
		return "", rule
	}
	require.Equal(t, 1, a.Len())
	return a.ValueStr(0), ""
}

// sameTogether makes sure that AppendAll converts as Append does, wherever the
// text lies and whatever is around it.
func sameTogether(t testing.TB, col etl.Column, text string, want arrow.Array, rule string) {
	b := builder(t, col)
	for _, around := range []string{"", "7", ",\xc3", "123456789.12345678\xa9"} {
		block := []byte(around + text + around)
		span := textconv.Span{Start: uint32(len(around)), End: uint32(len(around) + len(text))}
		n, got := b.AppendAll(block, []textconv.Span{textconv.Null(), span, span, textconv.Null()})
		require.Equal(t, rule, got, "%q", text)
		a := b.NewArray()
		if require.True(t, a.IsNull(0)); rule != "" {
			require.Equal(t, 1, n)
			require.Equal(t, 1, a.Len())
			continue
		}
		require.Equal(t, 4, n)
		require.Equal(t, 2, a.NullN())
		require.Equal(t, want.ValueStr(0), a.ValueStr(1), "%q", text)
		require.Equal(t, want.ValueStr(0), a.ValueStr(2), "%q", text)
		require.True(t, a.IsNull(3))
	}
}

func TestValues(t *testing.T) {
	for typeName, values := range map[string]map[string]string{
		"bool":   {"true": "true", "T": "true", "1": "true", "y": "true", "FALSE": "false", "f": "false", "0": "false", "N": "false"},
		"int":    {"0": "0", "-2147483648": "-2147483648", "+2147483647": "2147483647", "007": "7", "-0": "0"},
		"long":   {"9223372036854775807": "9223372036854775807", "-9223372036854775808": "-9223372036854775808"},
		"float":  {"1.5": "1.5", "-1e10": "-1e+10", "NaN": "NaN"},
		"double": {"0.1": "0.1", "1E308": "1e+308", "-Infinity": "-Inf", ".5": "0.5", "5.": "5"},
		"decimal(5,2)": {"123.45": "123.45", "-0.01": "-0.01", "7": "7", "1.500": "1.5", "1.2e2": "120", "12345e-2": "123.45", "0e999999999999": "0", "-0": "0",
			"00000000000000000000000000000000000000000000001": "1"},
		"decimal(38,0)": {strings.Repeat("9", 38): strings.Repeat("9", 38), "-" + strings.Repeat("9", 38): "-" + strings.Repeat("9", 38)},
		"decimal(38,38)": {
			"0." + strings.Repeat("0", 37) + "1": "1e-38",
		},
		"date": {"1970-01-01": "1970-01-01", "2024/02/29": "2024-02-29", "0001-01-01": "0001-01-01", "9999-12-31": "9999-12-31", "2000-02-29": "2000-02-29"},
		"timestamp": {
			"2024-02-20 11:08:25":           "2024-02-20T11:08:25",
			"2024/02/20T11:08:25.1":         "2024-02-20T11:08:25.1",
			"2024-02-20 11:08:25.123456":    "2024-02-20T11:08:25.123456",
			"2024-02-20 11:08:25.123456999": "2024-02-20T11:08:25.123456",
			"1969-12-31 23:59:59.9999999":   "1969-12-31T23:59:59.999999",
			"0001-01-01T00:00:00":           "0001-01-01T00:00:00",
		},
		"timestamptz": {
			"2024-02-20 11:08:25":          "2024-02-20T11:08:25Z",
			"2024-02-20T11:08:25Z":         "2024-02-20T11:08:25Z",
			"2024-02-20 11:08:25.5+00":     "2024-02-20T11:08:25.5Z",
			"2024-02-20 11:08:25-0530":     "2024-02-20T16:38:25Z",
			"2024-02-20T11:08:25.25+05:45": "2024-02-20T05:23:25.25Z",
		},
		"string": {"x": "x", " ü ": " ü "},
		"binary": {"AAE=": "AAE=", "AAE": "AAE="},
		"uuid": {
			"F47AC10B-58CC-4372-A567-0E02B2C3D479": "f47ac10b-58cc-4372-a567-0e02b2c3d479",
			"f47ac10b58cc4372a5670e02b2c3d479":     "f47ac10b-58cc-4372-a567-0e02b2c3d479",
		},
	} {
		for text, want := range values {
			got, rule := one(t, etl.Column{Type: typ(t, typeName)}, text)
			require.Empty(t, rule, "%s %q", typeName, text)
			require.Equal(t, want, got, "%s %q", typeName, text)
		}
	}
}

func TestRules(t *testing.T) {
	for typeName, rules := range map[string]map[string][]string{
		"bool":   {"not a bool": {"", "2", "yes", "truee"}},
		"int":    {"not an int": {"", "-", "1.0", " 1", "1_0", "0x1", "99999999999999999999x"}, "out of range for int": {"2147483648", "-2147483649", strings.Repeat("9", 99)}},
		"long":   {"not a long": {"", "+", "1e3"}, "out of range for long": {"9223372036854775808", "-9223372036854775809", "18446744073709551616", "18446744073709551615", "-18446744073709551616"}},
		"float":  {"not a float": {"", "1,5", "0x1p2"}, "out of range for float": {"1e39"}},
		"double": {"not a double": {"", "1_000", "0x10", "1e", "--1"}, "out of range for double": {"-1e309"}},
		"decimal(5,2)": {
			"not a decimal":                      {"", "-", ".", "1.2.3", "1e", "1e+", "NaN", "1 ", "e5"},
			"out of range for decimal(5,2)":      {"1000", "-1000.00", "1e3", "1e99999999999999999999", strings.Repeat("9", 60)},
			"more than 2 digits after the point": {"0.001", "1.005", "1e-3", "1e-99999999999999999999"},
		},
		"date": {"not a date": {"", "2024-2-1", "2024-02-30", "2023-02-29", "1900-02-29", "2024-13-01", "2024-00-01", "2024-01-00", "2024-01/01", "2024-01-01 ", "0000-01-01", "20240101"}},
		"timestamp": {
			"not a timestamp":         {"", "2024-02-20", "2024-02-20 24:00:00", "2024-02-20 11:60:00", "2024-02-20 11:08:60", "2024-02-20 11:08:25.", "2024-02-20 11:08:25.1234567890", "2024-02-20 11:08", "2024-02-20 11:08:25 "},
			"timestamp has an offset": {"2024-02-20 11:08:25Z", "2024-02-20 11:08:25+00"},
		},
		"timestamptz": {"not a timestamptz": {"2024-02-20 11:08:25+", "2024-02-20 11:08:25+1", "2024-02-20 11:08:25+24", "2024-02-20 11:08:25+01:60", "2024-02-20 11:08:25 UTC", "2024-02-20 11:08:25+01:0"}},
		"string":      {"invalid UTF-8": {"\xff", "a\xc3"}},
		"binary":      {"not base64": {"A", "AA=A", "!!!!"}},
		"uuid":        {"not a uuid": {"", "f47ac10b-58cc-4372-a567-0e02b2c3d47", "f47ac10b-58cc-4372-a567+0e02b2c3d479", "g47ac10b58cc4372a5670e02b2c3d479", "{47ac10b-58cc-4372-a567-0e02b2c3d479}"}},
	} {
		for want, texts := range rules {
			for _, text := range texts {
				_, rule := one(t, etl.Column{Type: typ(t, typeName)}, text)
				require.Equal(t, want, rule, "%s %q", typeName, text)
			}
		}
	}
}

func TestFormats(t *testing.T) {
	date := etl.Column{Type: etl.Date, Format: "02.01.2006|2006"}
	got, rule := one(t, date, "20.02.2024")
	require.Equal(t, "2024-02-20", got+rule)
	got, _ = one(t, date, "2024")
	require.Equal(t, "2024-01-01", got)
	_, rule = one(t, date, "2024-02-20")
	require.Equal(t, "not a date", rule)

	zoned := etl.Column{Type: etl.TimestampTZ, Format: "02.01.2006 15:04|02.01.2006 15:04 -0700", Zone: "America/New_York"}
	got, _ = one(t, zoned, "20.02.2024 11:08")
	require.Equal(t, "2024-02-20T16:08:00Z", got)
	got, _ = one(t, zoned, "20.02.2024 11:08 +0100")
	require.Equal(t, "2024-02-20T10:08:00Z", got)
	zoned.Format = ""
	got, _ = one(t, zoned, "2024-07-20 11:08:25.5")
	require.Equal(t, "2024-07-20T15:08:25.5Z", got)
	got, _ = one(t, zoned, "2024-07-20 11:08:25Z")
	require.Equal(t, "2024-07-20T11:08:25Z", got)

	got, _ = one(t, etl.Column{Type: etl.Binary, Format: "hex"}, `\x00fF`)
	require.Equal(t, "AP8=", got)
	_, rule = one(t, etl.Column{Type: etl.Binary, Format: "hex"}, "0")
	require.Equal(t, "not hexadecimal", rule)

	for _, bad := range []etl.Column{
		{Type: etl.Int, Format: "x"}, {Type: etl.Binary, Format: "x"}, {Type: etl.Date, Format: "2006|"}, {},
		{Type: etl.Timestamp, Format: time.RFC3339}, {Type: etl.TimestampTZ, Format: time.RFC1123},
		{Type: etl.TimestampTZ, Zone: "Nowhere/Land"}, {Type: etl.Decimal(39, 0)}, {Type: etl.Decimal(3, 4)},
	} {
		_, err := textconv.New(bad)
		require.Error(t, err, "%+v", bad)
	}
}

func TestNullsAndStartingOver(t *testing.T) {
	for _, name := range []string{"bool", "int", "long", "float", "double", "decimal(9,2)", "date", "timestamp", "timestamptz", "string", "binary", "uuid"} {
		text := map[string]string{"bool": "1", "date": "1970-01-01", "timestamp": "1970-01-01T00:00:00", "timestamptz": "1970-01-01T00:00:00",
			"string": "x", "binary": "AAE=", "uuid": "f47ac10b58cc4372a5670e02b2c3d479"}[name]
		if text == "" {
			text = "1"
		}
		b := builder(t, etl.Column{Type: typ(t, name)})
		for round := range 3 {
			for i := range 100 {
				require.Equal(t, i, b.Len())
				if i >= round*7 && i%3 == 0 {
					b.AppendNull()
				} else {
					require.Empty(t, b.Append([]byte(text)))
				}
			}
			require.Positive(t, b.Bytes())
			a := b.NewArray()
			require.NoError(t, validate(a))
			for i := range 100 {
				require.Equal(t, i >= round*7 && i%3 == 0, a.IsNull(i), "%s %d", name, i)
			}
			require.Equal(t, a.ValueStr(1+round*9), a.ValueStr(98))
		}
		empty := b.NewArray()
		require.Zero(t, empty.Len(), name)
	}
}

// validate reads every value and checks the count of nulls.
func validate(a arrow.Array) error {
	nulls := 0
	for i := range a.Len() {
		_ = a.ValueStr(i)
		if a.IsNull(i) {
			nulls++
		}
	}
	if nulls != a.NullN() {
		return arrow.ErrInvalid
	}
	return nil
}

func TestEveryDayOfACalendarCycle(t *testing.T) {
	b := builder(t, etl.Column{Type: etl.Date})
	first := time.Date(1800, 1, 1, 0, 0, 0, 0, time.UTC)
	for d := first; d.Year() < 2200; d = d.AddDate(0, 0, 1) {
		if rule := b.Append([]byte(d.Format("2006-01-02"))); rule != "" {
			t.Fatal(d, rule)
		}
	}
	days := b.NewArray().(*array.Date32)
	start := int(first.Unix() / 86400)
	for i := range days.Len() {
		if int(days.Value(i)) != start+i {
			t.Fatalf("day %d", i)
		}
	}
	require.Equal(t, 146097, days.Len())
}

func TestDecimalLimits(t *testing.T) {
	b := builder(t, etl.Column{Type: etl.Decimal(38, 10)})
	require.Empty(t, b.Append([]byte("-"+strings.Repeat("9", 28)+"."+strings.Repeat("9", 10))))
	want, err := decimal128.FromString("-"+strings.Repeat("9", 28)+"."+strings.Repeat("9", 10), 38, 10)
	require.NoError(t, err)
	require.Equal(t, want, b.NewArray().(*array.Decimal128).Value(0))
	require.NotEmpty(t, b.Append([]byte("1"+strings.Repeat("0", 28))))
	require.Less(t, math.Abs(want.ToFloat64(10)), 1.1e28)
}
