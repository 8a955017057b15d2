//go:build spark

package reading

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"

	"github.com/tidemark-data/etl"
	"github.com/tidemark-data/etl/format"
)

// tableOf declares a random table.
func (r random) table(t *testing.T) (etl.Table, etl.LoadKind) {
	table := etl.Table{Name: "s.t", AllowEmpty: r.chance(50), Op: etl.OpColumn{Codes: map[string]etl.Op{"I": etl.Upsert, "U": etl.Upsert, "D": etl.Delete, "DEL": etl.Delete}}}
	n := 2 + r.IntN(5)
	for i := range n {
		col := r.column(pick(r, "c", "Ü", "a b")+fmt.Sprint(i), i < 2)
		table.Columns = append(table.Columns, col)
	}
	table.Columns[0].Required = true
	table.Key = []string{table.Columns[0].Name}
	if r.chance(30) {
		table.Key = append(table.Key, table.Columns[1].Name)
		table.Columns[1].Required = true
	}
	for _, c := range table.Columns[len(table.Key):] {
		if r.chance(25) {
			table.OrderBy = append(table.OrderBy, c.Name)
		}
	}
	if r.chance(60) {
		table.Op.Column = "Op"
	}
	if r.chance(40) {
		for _, k := range table.Key {
			table.OldKey = append(table.OldKey, "old_"+k)
		}
	}
	return table, pick(r, etl.Full, etl.Incremental, etl.Incremental)
}

// fileColumns are columns that a file may have, in some order.
func (r random) fileColumns(table etl.Table, whole bool) etl.Columns {
	var cols etl.Columns
	for _, c := range table.Columns {
		if whole || r.chance(85) || slices.Contains(table.Key, c.Name) {
			cols = append(cols, c)
		}
	}
	for i, name := range table.OldKey {
		if r.chance(80) {
			c := table.Columns[table.Columns.Index(table.Key[i])]
			c.Name = name
			cols = append(cols, c)
		}
	}
	if table.Op.Column != "" && (whole || r.chance(90)) {
		cols = append(cols, etl.Column{Name: table.Op.Column, Type: etl.String})
	}
	if r.chance(30) {
		cols = append(cols, etl.Column{Name: "extra", Type: etl.String})
	}
	r.Shuffle(len(cols), func(i, j int) { cols[i], cols[j] = cols[j], cols[i] })
	return cols
}

func (r random) rows() int {
	if r.chance(3) {
		return 4000 + r.IntN(6000)
	}
	return pick(r, 0, 1, 2, 5, 20, 60, 100, 100, 300)
}

func (r random) csv(t *testing.T) reading {
	table, kind := r.table(t)
	whole := r.chance(60)
	cols := r.fileColumns(table, whole)
	c := format.CSV{
		Delimiter: pick[byte](r, 0, 0, ';', '\t', '|'), Quote: pick[byte](r, 0, 0, '\'', format.NoQuote), Null: pick(r, "", "", "NULL", "\\N"),
		MaxFieldBytes: pick(r, 0, 0, 0, 0, 0, 0, 0, 30), MaxRowBytes: pick(r, 0, 0, 0, 0, 0, 0, 0, 0, 0, 90),
	}
	if r.chance(30) {
		none := pick(r, "?", "", "NULL")
		c.NotSupplied = &none
	}
	names := make([]string, len(cols))
	for i, col := range cols {
		names[i] = col.Name
	}
	if c.Header = r.chance(50); !c.Header {
		for i := range names {
			if names[i] == "extra" {
				names[i] = pick(r, "-", "")
			}
		}
		c.FullColumns, c.ChangeColumns = names, names
	}
	table.Format = c
	nasty := pick(r, 0, 0, 0, 0, 0, 0, 1, 5)
	var b bytes.Buffer
	b.WriteString(pick(r, "", "", "", "", "\xef\xbb\xbf"))
	if c.Header {
		r.csvRow(&b, c, names)
	}
	for range r.rows() {
		r.csvRow(&b, c, r.values(table, cols, nasty))
		if r.chance(2) {
			b.WriteString(pick(r, "\n", "\r\n"))
		}
	}
	data := b.Bytes()
	if r.chance(20) {
		data = bytes.TrimRight(data, "\r\n")
	}
	if r.chance(10) {
		data = r.damage(data, ",\"\n\r';|\t\xff")
	}
	return reading{table, kind, r.packed(data)}
}

// values are those of a row of a file.
func (r random) values(table etl.Table, cols etl.Columns, nasty int) []string {
	row := make([]string, len(cols))
	for i, col := range cols {
		isKey := slices.Contains(table.Key, col.Name)
		switch {
		case col.Name == table.Op.Column && col.Name != "":
			row[i] = pick(r, "I", "U", "D", "DEL")
			if r.chance(nasty) {
				row[i] = pick(r, "", "X", "i", "DELE", "NULL")
			}
		case col.Required && r.chance(99) || isKey && !r.chance(nasty):
			for range 5 {
				if row[i] = r.text(col, nasty); row[i] != "" && row[i] != "NULL" && row[i] != "?" {
					break
				}
			}
		case r.chance(10):
			row[i] = ""
			if r.chance(2) {
				row[i] = pick(r, "NULL", "?", "\\N")
			}
		default:
			row[i] = r.text(col, nasty)
		}
	}
	return row
}

func (r random) csvRow(b *bytes.Buffer, c format.CSV, values []string) {
	quote := `"`
	switch c.Quote {
	case format.NoQuote:
		quote = ""
	case '\'':
		quote = "'"
	}
	delim := ","
	if c.Delimiter != 0 {
		delim = string(rune(c.Delimiter))
	}
	for i, v := range values {
		if i > 0 {
			b.WriteString(delim)
		}
		special := strings.ContainsAny(v, delim+"\n\r") || quote != "" && strings.Contains(v, quote)
		switch {
		case quote == "" && special:
			v = strings.NewReplacer(delim, "", "\n", "", "\r", "").Replace(v)
		case quote != "" && (special || r.chance(5)):
			v = quote + strings.ReplaceAll(v, quote, quote+quote) + quote
		}
		b.WriteString(v)
	}
	b.WriteString(pick(r, "\n", "\n", "\n", "\r\n"))
}

// damage changes some bytes.
func (r random) damage(data []byte, with string) []byte {
	data = bytes.Clone(data)
	for range 1 + r.IntN(3) {
		if len(data) == 0 {
			return []byte(with[:r.IntN(len(with))])
		}
		at := r.IntN(len(data))
		switch r.IntN(3) {
		case 0:
			data[at] = with[r.IntN(len(with))]
		case 1:
			data = slices.Insert(data, at, with[r.IntN(len(with))])
		case 2:
			data = data[:at]
		}
	}
	return data
}

// packed compresses some files, and spoils some of them.
func (r random) packed(data []byte) []byte {
	var b bytes.Buffer
	switch {
	case r.chance(80):
		return data
	case r.chance(50):
		for _, part := range [][]byte{data[:len(data)/2], data[len(data)/2:]} {
			w := gzip.NewWriter(&b)
			if r.chance(30) {
				w.Name, w.Comment, w.Extra = "ü", "comment", []byte("extra")
			}
			mustWrite(w, part)
		}
	default:
		for _, part := range [][]byte{data[:len(data)/3], data[len(data)/3:]} {
			w, err := zstd.NewWriter(&b)
			if err != nil {
				panic(err)
			}
			mustWrite(w, part)
		}
	}
	out := b.Bytes()
	if r.chance(25) {
		out = r.damage(out, "\x00\x01\xff\x1f\x8b")
	}
	return out
}

func mustWrite(w io.WriteCloser, data []byte) {
	if _, err := w.Write(data); err != nil {
		panic(err)
	}
	if err := w.Close(); err != nil {
		panic(err)
	}
}

func (r random) json(t *testing.T) reading {
	table, kind := r.table(t)
	table.Format = format.JSONLines{Missing: pick(r, format.MissingIsBad, format.MissingIsNull, format.MissingIsUnsupplied), MaxRowBytes: pick(r, 0, 0, 0, 2000)}
	whole := r.chance(60)
	nasty := pick(r, 0, 0, 0, 0, 0, 1, 5)
	var b bytes.Buffer
	b.WriteString(pick(r, "", "", "", "\xef\xbb\xbf"))
	cols := r.fileColumns(table, whole)
	for range r.rows() {
		if !whole && r.chance(50) || r.chance(2) {
			cols = r.fileColumns(table, r.chance(80))
		}
		r.jsonRow(&b, table, cols, nasty)
		if r.chance(2) {
			b.WriteString(pick(r, "\n", " \r\n", "\u00a0\n"))
		}
	}
	data := b.Bytes()
	if r.chance(15) {
		data = r.damage(data, "{}[]\",:\\\n\r e.0-\xff")
	}
	return reading{table, kind, r.packed(data)}
}

func (r random) jsonRow(b *bytes.Buffer, table etl.Table, cols etl.Columns, nasty int) {
	b.WriteString(pick(r, "{", "{ ", " {\t"))
	for i, v := range r.values(table, cols, nasty) {
		if i > 0 {
			b.WriteString(pick(r, ",", ", "))
		}
		name, _ := json.Marshal(cols[i].Name)
		if r.chance(nasty) && i > 0 {
			name, _ = json.Marshal(cols[i-1].Name)
		}
		b.Write(name)
		b.WriteString(pick(r, ":", " : "))
		b.WriteString(r.jsonValue(cols[i], v, nasty))
	}
	b.WriteString(pick(r, "}\n", "}\n", " }\r\n"))
}

func (r random) jsonValue(c etl.Column, v string, nasty int) string {
	if v == "" && c.Type != etl.String || v == "NULL" {
		return "null"
	}
	if r.chance(nasty) {
		return pick(r, "1", "true", "null", "01", "1.", "1.5.", "-", "1e5e", "nul", "falsey", `{"a":[1,{"b":"\u00e9"}]}`, "[]", "[1,]", `{"a":1,}`, `"\ud83d\ude00"`, `"\ud83d"`,
			`"\u12"`, `"\x"`, "\"\x01\"", "[[[[", strings.Repeat("[", 201)+strings.Repeat("]", 201), strings.Repeat("[", 202)+strings.Repeat("]", 202), "\"\xff\"", `"\u0041\ud83d\ude00\/"`)
	}
	literal := c.Type == etl.Int || c.Type == etl.Long || c.Type == etl.Bool || c.Type == etl.Double
	if literal && json.Valid([]byte(v)) && !strings.HasPrefix(v, `"`) {
		return v
	}
	if c.Type == etl.String && c.Name != "Op" && r.chance(10) {
		return pick(r, `{"a": [1, "x"]}`, "[ ]", `{"n":{"m":null}}`)
	}
	if strings.ContainsFunc(v, func(r rune) bool { return r == '\uFFFD' }) {
		return `"` + strings.Trim(v, "\"\\") + `"`
	}
	text, _ := json.Marshal(v)
	return string(text)
}
