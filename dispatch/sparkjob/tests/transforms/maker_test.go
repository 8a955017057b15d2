//go:build spark

package transforms

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"

	"github.com/apache/arrow-go/v18/arrow"

	"github.com/tidemark-data/etl"
	"github.com/tidemark-data/etl/transform"
	"github.com/tidemark-data/etl/transform/nfctransform"
)

// maker makes values and transforms by chance.
type maker struct{ *rand.Rand }

func columns() [][2]string {
	return [][2]string{
		{"row", "long"}, {"b", "bool"}, {"i", "long"}, {"n", "int"}, {"d", "double"}, {"f", "float"}, {"s", "string"},
		{"s2", "string"}, {"day", "date"}, {"ts", "timestamp"}, {"tz", "timestamptz"}, {"dec", "decimal(9,2)"},
		{"big", "decimal(38,10)"}, {"u", "uuid"}, {"bin", "binary"}, {"j", "string"}, {"num", "string"}, {"when", "string"},
	}
}

// some are values of each type as canonical texts.
var some = map[string][]string{
	"bool": {"true", "false"},
	"long": {"0", "1", "-1", "7", "-7", "9223372036854775807", "-9223372036854775808", "16777217", "9007199254740993", "4294967296", "86400"},
	"int":  {"0", "1", "-1", "42", "2147483647", "-2147483648", "16777217"},
	"double": {"0", "1", "-1.5", "0.1", "1e21", "1e-7", "0.000001", "123456789.125", "1e300", "-1e300", "9223372036854775808", "5e-324",
		"16777217", "3.4e+38", "2147483648", "123456789012345680000", "0.30000000000000004"},
	"float": {"0", "1", "-1.5", "0.1", "3.4028235e+38", "16777216", "1e-45"},
	"string": {"", " ", "a", "A b", "  Straße\u00a0", "ÄÖÜ é", "İıſK", "ΣΑΣ ς", "ᾳ ᾼ ǆ", "\t\v x\u001c", "e\u0301A\u030a", "+1 (555) 010-Ab", "日本語テキスト",
		"🦉 owl", "1", "-12", "99999999999999999999", "1.5", "true", "2024-02-20", "a\nb\n", "_[]{}^$~`", "a@example.com", "A", "B", "\x00\x7f"},
	"date":         {"2024-02-29", "1969-12-31", "0001-01-01", "9999-12-31", "2024-03-10", "1900-01-01"},
	"timestamp":    {"2024-02-29T23:59:59.500000", "2024-03-10T02:30:00", "2024-11-03T01:30:00", "1969-12-31T23:59:59.000001", "0001-01-01T00:00:00", "9999-12-31T23:59:59.999999"},
	"timestamptz":  {"2024-02-29T23:59:59.500000Z", "2024-03-10T07:30:00Z", "1969-12-31T23:59:59.000001Z", "1883-11-18T12:00:00Z", "0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z"},
	"decimal(9,2)": {"0.00", "1.50", "-0.05", "1234567.89", "-100.00", "3.00"},
	"decimal(38,10)": {"0.0000000000", "1.5000000000", "1234567890123456789012345678.0123456789", "-0.0000000001", "4294967296.0000000000",
		"123456.7890000000"},
	"uuid":   {"00000000-0000-0000-0000-000000000000", "f81d4fae-7dec-11d0-a765-00a0c91e6bf6"},
	"binary": {"", "AA==", "/+8=", "aGVsbG8="},
}

var jsons = []string{
	`{"a":{"b":"x"},"l":[1,{"z":true}],"n":1.50}`, `{"a":{"b":12},"n":-3}`, `{"n":"7","l":[]}`, `null`, `[1,2]`, `{}`, `{"a":{"b":[1]}}`, ` {"n":1e3} `,
	`{"a":{"b":"\ud83e\udd89 \ud800 \u00e9"}}`, `{"n":true}`, `{"n":NaN}`, `{`, `{"n":01}`, `"x"`, `{"l":[null,{"z":"t"}]}`,
	`{"n":1,"n":2}`, `{"n":12345678901234567890}`, "{\"a\":{\"b\":\"\t\"}}", `{"a":1}{}`, `{"l":[1.0,{"z":false}]}`,
}

func (m maker) value(kind string) *string {
	if m.IntN(8) == 0 {
		return nil
	}
	if kind == "string" && m.IntN(5) == 0 {
		return ptr(pick(m, jsons))
	}
	if kind == "string" && m.IntN(4) == 0 {
		of := pick(m, []string{"bool", "long", "double", "date", "timestamp", "timestamptz", "decimal(9,2)", "uuid", "binary"})
		return ptr(pick(m, some[of]))
	}
	return ptr(pick(m, some[kind]))
}

func pick[T any](m maker, of []T) T { return of[m.IntN(len(of))] }

// name picks a column of a schema, of a type if there is one.
func (m maker) name(schema *arrow.Schema, of ...etl.Type) string {
	var found []string
	for _, f := range schema.Fields() {
		typ, _ := etl.TypeOf(f.Type)
		if f.Name != "row" && (len(of) == 0 || typ == of[0]) {
			found = append(found, f.Name)
		}
	}
	if len(found) == 0 {
		return "none"
	}
	return pick(m, found)
}

func (m maker) names(schema *arrow.Schema, of ...etl.Type) []string {
	seen := map[string]bool{}
	for range 1 + m.IntN(3) {
		seen[m.name(schema, of...)] = true
	}
	return slices.Sorted(maps.Keys(seen))
}

func (m maker) fresh() string { return fmt.Sprintf("new%d", m.IntN(1000)) }

func (m maker) flip() bool { return m.IntN(2) == 0 }

func (m maker) step(in *arrow.Schema) etl.Transformer {
	switch m.IntN(20) {
	case 0:
		return transform.Rename(map[string]string{m.name(in): m.fresh()})
	case 1:
		if m.flip() {
			return transform.Drop(m.names(in)...)
		}
		return transform.Select(append(m.names(in), "row")...)
	case 2:
		return transform.Reorder(m.names(in)...)
	case 3, 4, 5:
		return m.cast(in)
	case 6:
		typ := pick(m, types())
		if m.flip() {
			return transform.Constant(m.fresh(), typ, pick(m, some[typ.String()]))
		}
		return transform.Default(map[string]string{m.name(in, typ): pick(m, some[typ.String()])})
	case 7:
		if m.flip() {
			return transform.Trim(m.names(in, etl.String)...)
		}
		return nfctransform.NFC(m.names(in, etl.String)...)
	case 8:
		to := transform.Normal{Trim: m.flip(), Collapse: m.flip(), Case: pick(m, []transform.Case{"", "lower", "upper"}), EmptyToNull: m.flip()}
		return transform.Normalize(to, m.names(in, etl.String)...)
	case 9:
		rule := pick(m, []transform.MaskRule{{KeepLast: 1 + m.IntN(5)}, {Fixed: "#é"}, {Format: true}})
		return transform.Mask(m.name(in, etl.String), rule)
	case 10:
		return m.tokens(in)
	case 11:
		return transform.HashJoin(m.fresh(), m.names(in)...)
	case 12, 13:
		return m.json(in)
	case 14:
		return m.lookup(in)
	}
	return m.expression(in)
}

func types() []etl.Type {
	var out []etl.Type
	for _, c := range columns() {
		typ, _ := etl.ParseType(c[1])
		out = append(out, typ)
	}
	return out
}

func (m maker) cast(in *arrow.Schema) etl.Transformer {
	to := map[string]transform.CastTo{}
	for range 1 + m.IntN(2) {
		c := transform.CastTo{Type: pick(m, types())}
		if m.IntN(3) == 0 {
			c.Zone = pick(m, []string{"America/Chicago", "Europe/Berlin", "UTC", "Asia/Kathmandu"})
		}
		if m.IntN(4) == 0 {
			c.Format = pick(m, []string{"2006-01-02T15:04:05.000Z07:00", "2006/01/02 15:04", "02.01.2006", "2006-01-02 15:04:05.000000-07:00", "hex", "base64"})
		}
		to[m.name(in)] = c
	}
	return transform.Cast(to)
}

func (m maker) tokens(in *arrow.Schema) etl.Transformer {
	o := transform.Tokens{Column: m.name(in), Keys: transform.EnvKey("CORPUS_TOKEN_KEY", ""), Encoding: pick(m, []string{"", "hex"})}
	if m.flip() {
		o.Domain = pick(m, some["string"])
	}
	if m.IntN(3) == 0 {
		o.KeyIDColumn = m.fresh()
	}
	return transform.Tokenize(o)
}

func (m maker) json(in *arrow.Schema) etl.Transformer {
	var fields []transform.JSONField
	for _, p := range []string{"a.b", "n", "l[0]", "l[1].z", "[0]"} {
		if m.flip() {
			fields = append(fields, transform.JSONField{Path: p, Type: pick(m, []etl.Type{etl.String, etl.Long, etl.Bool, etl.Double, etl.String})})
		}
	}
	of := "j"
	if !in.HasField("j") || m.IntN(4) == 0 {
		of = m.name(in, etl.String)
	}
	if m.flip() {
		return transform.Flatten(of, "__", fields...)
	}
	return transform.ParseJSON(of, fields...)
}

func (m maker) lookup(in *arrow.Schema) etl.Transformer {
	kind := pick(m, types())
	rows := [][]string{}
	for i, v := range some[kind.String()] {
		if v != "" {
			rows = append(rows, []string{v, strings.Repeat("x", i), "1.5"})
		}
	}
	rows = append(rows, []string{"", "none", ""})
	o := transform.LookupOptions{
		On:   []transform.LookupOn{{Column: m.name(in, kind), Source: "k"}},
		Miss: pick(m, []transform.Miss{transform.MissNull, transform.MissDefault, transform.MissError}),
		Take: []transform.LookupTake{{Source: "v", As: m.fresh(), Default: "?"}, {Source: "w", As: m.fresh(), Default: "0"}},
		Source: transform.LookupRows{Rows: rows, Cols: etl.Columns{
			{Name: "k", Type: kind}, {Name: "v", Type: etl.String}, {Name: "w", Type: etl.Decimal(5, 2)},
		}},
	}
	if kind == etl.String && m.flip() {
		path, _ := filepath.Abs("../../../../transform/testdata/codes.csv")
		o.Source = transform.LookupCSV{Path: path, Cols: etl.Columns{
			{Name: "code", Type: etl.String}, {Name: "label", Type: etl.String}, {Name: "n", Type: etl.Long},
		}}
		o.On[0].Source, o.Take[0].Source, o.Take[1].Source = "code", "label", "n"
	}
	return transform.Lookup(o)
}
