package celtransform_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/stretchr/testify/require"

	"github.com/tidemark-data/etl"
	"github.com/tidemark-data/etl/transform"
	"github.com/tidemark-data/etl/transform/celtransform"
)

var columns = etl.Columns{
	{Name: "b", Type: etl.Bool}, {Name: "i", Type: etl.Long}, {Name: "j", Type: etl.Int}, {Name: "d", Type: etl.Double},
	{Name: "s", Type: etl.String}, {Name: "day", Type: etl.Date}, {Name: "ts", Type: etl.Timestamp}, {Name: "tz", Type: etl.TimestampTZ},
	{Name: "amount", Type: etl.Decimal(10, 2)}, {Name: "Primary Type", Type: etl.String},
}

// batch makes rows of JSON objects, whose values are read as text.
func batch(t *testing.T, rows string) arrow.RecordBatch {
	var objects []map[string]any
	d := json.NewDecoder(strings.NewReader(rows))
	d.UseNumber()
	require.NoError(t, d.Decode(&objects))
	source := transform.LookupRows{Cols: columns}
	for _, o := range objects {
		row := make([]string, len(columns))
		for i, c := range columns {
			if v, ok := o[c.Name]; ok {
				row[i] = fmt.Sprint(v)
			}
		}
		source.Rows = append(source.Rows, row)
	}
	rec, err := source.Load(context.Background())
	require.NoError(t, err)
	return rec
}

// value evaluates an expression on one row.
func value(t *testing.T, expression, row string) (string, error) {
	d := celtransform.Derive("out", expression)
	if _, err := d.Schema(columns.Schema()); err != nil {
		return "", err
	}
	out, err := d.Transform(context.Background(), batch(t, "["+row+"]"))
	if err != nil {
		return "", err
	}
	return out.Column(int(out.NumCols()) - 1).ValueStr(0), nil
}

func TestExpressions(t *testing.T) {
	const row = `{"b": false, "i": 7, "j": -2, "d": 0.5, "s": "Straße İx ", "day": "2024-02-29",
		"ts": "2024-02-29 23:59:59.5", "tz": "2024-02-29 23:59:59.5"}`
	const null = array.NullValueStr
	for expression, want := range map[string]string{
		`i + j * 2`: "3", `i / j`: "-3", `i % j`: "1", `-j`: "2", `i - 10`: "-3",
		`d / 4.0`: "0.125", `double(i) * d`: "3.5", `int(-1.9)`: "-1", `int("-12")`: "-12",
		`i == 7 && !b`: "true", `i > 7 || b`: "false", `s < "T"`: "true", `d != 0.5`: "false",
		`i > 5 ? "big" : "small"`: "big", `b ? 1 : null`: null,
		`size(s)`: "10", `s.size()`: "10", `upper(s)`: "STRAßE İX ", `lower(s)`: "straße İx ", `trim(s) + "!"`: "Straße İx!",
		`substring(s, 4, 6)`: "ße", `substring(s, 8)`: "x ", `substring(s, -3, 2)`: "St", `substring(s, 3, 3)`: "", `substring(s, 9, 99)`: " ", `substring(s, 50)`: "",
		`s.contains("aß") && s.startsWith("Str") && !s.endsWith("x")`: "true", `s.matches("^Stra.e\\s")`: "true",
		`year(day) * 10000 + month(day) * 100 + day(day)`: "20240229", `hour(ts) * 3600 + minute(tz) * 60 + second(ts)`: "86399",
		`addDays(day, 1)`: "2024-03-01", `daysBetween(date("2024-03-01"), day)`: "1", `date(ts) == day`: "true",
		`string(addSeconds(tz, 1))`: "2024-03-01T00:00:00.500000Z", `string(date(tz))`: "2024-02-29", `string(d)`: "0.5", `string(i) + string(b)`: "7false",
		`secondsBetween(tz, timestamp("2024-02-29T00:00:00Z"))`: "86399", `ts >= datetime("2024-02-29 23:59:59")`: "true",
		`coalesce(null == null ? i : i, j)`: "7",
	} {
		got, err := value(t, expression, row)
		if expression == `coalesce(null == null ? i : i, j)` {
			require.ErrorContains(t, err, "position")
			continue
		}
		require.NoError(t, err, expression)
		require.Equal(t, want, got, expression)
	}
}

func TestNulls(t *testing.T) {
	const null = array.NullValueStr
	for expression, want := range map[string]string{
		`i + 1`: null, `b && true`: null, `b && false`: "false", `false && b`: "false", `b || true`: "true", `b || false`: null, `!b`: null,
		`i == null`: "true", `null != i`: "false", `i == 7`: null, `i != 7`: null, `b ? 1 : 2`: "2", `coalesce(i, j, 3)`: "3",
		`s + "x"`: null, `size(s)`: null, `true ? s : "x"`: null, `day == null && ts == null && tz == null`: "true",
		`i != null && 1 / 0 > i`: "false", `true || 1 / 0 > 1`: "true", `1 / 0 > 1 || true`: "true", `coalesce(1, 1 / 0)`: "1",
		`false ? 1 / 0 : 2`: "2",
	} {
		got, err := value(t, expression, `{}`)
		require.NoError(t, err, expression)
		require.Equal(t, want, got, expression)
	}
}

func TestErrorsOfRows(t *testing.T) {
	const row = `{"i": 9223372036854775807, "j": 0, "d": 1e308, "s": "x", "day": "2024-02-29"}`
	for expression, rule := range map[string]string{
		`i + 1`: "integer overflow", `-1 - i - 1 - 1`: "integer overflow", `i * 2`: "integer overflow", `i / j`: "division by zero",
		`i % j`: "division by zero", `d * d`: "not a finite number", `d / 0.0`: "not a finite number", `int(d)`: "out of range",
		`int(s)`: "not an int", `int("9223372036854775808")`: "out of range", `addDays(day, i)`: "integer overflow",
		`i / j > 1 && true`: "division by zero", `coalesce(i / j, 1)`: "division by zero", `(i / j) == null`: "division by zero",
	} {
		_, err := value(t, expression, row)
		var re *etl.RowError
		require.ErrorAs(t, err, &re, expression)
		require.Equal(t, etl.RowError{Row: 1, Column: "out", Rule: rule}, *re, expression)
	}
}

func TestMistakesNameTheirPosition(t *testing.T) {
	for expression, text := range map[string]string{
		`i + now()`:            "position 8: undeclared reference to 'now'",
		`i + 1.5`:              "position 3: found no matching overload for '_+_'",
		`missing == 1`:         "position 1: undeclared reference to 'missing'",
		`amount > 1.0`:         "column amount has a type that expressions do not know",
		`i >`:                  "position 4: Syntax error",
		`s.matches(s)`:         "pattern of matches is not a literal",
		`s.matches("(?i)x")`:   "pattern may have",
		`s.matches("[")`:       "not a regular expression",
		`[1, 2]`:               "position 1: lists, maps and fields are not supported",
		`date("2024-13-01")`:   "position 5: not a date",
		`timestamp(s) == tz`:   "takes a text in quotes",
		`null`:                 "always null",
		`1u`:                   "literals of this type",
		`[1].exists(x, x > 0)`: "undeclared reference",
		strings.Repeat("(", 500) + "1" + strings.Repeat(")", 500): "recursion",
		strings.Repeat("1+", 20000) + "1":                         "size",
	} {
		_, err := value(t, expression, `{}`)
		require.ErrorContains(t, err, text, expression[:min(len(expression), 40)])
	}
	_, err := celtransform.Where("i + 1").Schema(columns.Schema())
	require.ErrorContains(t, err, "not a bool")
	_, err = celtransform.Derive("i", "1").Schema(columns.Schema())
	require.ErrorContains(t, err, "no name of its own")
}

func TestWhere(t *testing.T) {
	w := celtransform.Where("b == false")
	_, err := w.(etl.Declarer).Declare()
	require.Error(t, err, "not typed yet")
	_, err = w.Schema(columns.Schema())
	require.NoError(t, err)
	out, err := w.Transform(context.Background(), batch(t, `[{"b": true, "i": 1}, {"b": false, "i": 2}, {"i": 3}, {"b": false, "i": 4}]`))
	require.NoError(t, err)
	require.Equal(t, "[2 4]", out.Column(1).String(), "false and null are rejected")
	d, err := w.(etl.Declarer).Declare()
	require.NoError(t, err)
	require.Equal(t, etl.Declaration{Kind: "where", Options: map[string]any{"text": "b == false", "expr": map[string]any{
		"op": "eq", "type": "bool", "args": []any{
			map[string]any{"op": "column", "type": "bool", "name": "b"}, map[string]any{"op": "literal", "type": "bool", "value": "false"},
		},
	}}}, d)
	var re *etl.RowError
	_, err = celtransform.Where("1 / i > 0").Transform(context.Background(), batch(t, `[{"i": 1}, {"i": 0}]`))
	require.True(t, errors.As(err, &re))
	require.Equal(t, int64(2), re.Row)
}
