package config

import (
	"github.com/goccy/go-yaml/ast"

	"github.com/tidemark-data/etl"
	"github.com/tidemark-data/etl/format"
	"github.com/tidemark-data/etl/format/avroformat"
	"github.com/tidemark-data/etl/format/parquetformat"
)

// formatSpec is the format of a table's files before its columns are known.
type formatSpec struct {
	csv     *format.CSV
	parquet *parquetformat.Format
	json    *format.JSONLines
	events  *format.Debezium
	avro    *avroformat.Format
	mixed   *format.DMSTransactions
}

// formats reads csv or parquet. A table's csv starts from that of the file.
func formats(o *object, defaults formatSpec) formatSpec {
	csv, parquet, json := o.get("csv"), o.get("parquet"), o.get("json_lines")
	events, avro, mixed := o.get("debezium"), o.get("avro"), o.get("dms_transactions")
	given := false
	for _, v := range []value{csv, parquet, json, events, avro, mixed} {
		if v.given() && given {
			v.bad("files are of one format")
			return defaults
		}
		given = given || v.given()
	}
	switch {
	case events.given():
		return formatSpec{events: debezium(events)}
	case avro.given():
		return formatSpec{avro: avroFormat(avro)}
	case mixed.given():
		return formatSpec{mixed: dmsTransactions(mixed, defaults.csv)}
	case json.given():
		return formatSpec{json: jsonLines(json)}
	case csv.given():
		return formatSpec{csv: csvFormat(csv, defaults.csv)}
	case parquet.given():
		return formatSpec{parquet: parquetFormat(parquet)}
	}
	return defaults
}

// format returns the format; CSV as DMS writes it where nothing is said.
func (s formatSpec) format() etl.Format {
	switch {
	case s.json != nil:
		return *s.json
	case s.events != nil:
		return *s.events
	case s.avro != nil:
		return *s.avro
	case s.mixed != nil:
		return *s.mixed
	case s.parquet != nil:
		return *s.parquet
	case s.csv != nil:
		return *s.csv
	}
	return format.CSV{}
}

// dmsTransactions starts from the csv of the file, as a table's csv does.
func dmsTransactions(v value, defaults *format.CSV) *format.DMSTransactions {
	t := &format.DMSTransactions{}
	o := v.object("a mapping such as {schema: MPD, table: INCIDENTS}, or {}")
	o.get("schema").str(&t.Schema)
	o.get("table").str(&t.Table)
	o.get("lower_case").bool(&t.LowerCase)
	if csv := o.get("csv"); csv.given() {
		t.CSV = *csvFormat(csv, defaults)
	} else if defaults != nil {
		t.CSV = *defaults
	}
	o.done()
	return t
}

func csvFormat(v value, defaults *format.CSV) *format.CSV {
	c := format.CSV{}
	if defaults != nil {
		c = *defaults
	}
	o := v.object("a mapping such as {header: true}")
	if h := o.get("header"); h.given() {
		h.bool(&c.Header)
	}
	full, change := o.get("full_columns"), o.get("change_columns")
	if full.given() {
		full.strings(&c.FullColumns)
	}
	if change.given() {
		change.strings(&c.ChangeColumns)
	}
	if c.Header && (full.given() || change.given()) {
		o.bad("has a header or lists of columns, not both")
	} else if c.Header {
		c.FullColumns, c.ChangeColumns = nil, nil
	}
	character(o.get("delimiter"), &c.Delimiter)
	quote(o.get("quote"), &c.Quote)
	o.get("null_text").str(&c.Null)
	if n := o.get("not_supplied"); n.given() {
		var text string
		n.str(&text)
		c.NotSupplied = &text
	}
	o.get("max_field").sizeInt(&c.MaxFieldBytes)
	o.get("max_row").sizeInt(&c.MaxRowBytes)
	o.get("max_decompressed").size(&c.MaxDecompressedBytes)
	o.get("max_ratio").int64Into(&c.MaxRatio)
	o.done()
	return &c
}

func jsonLines(v value) *format.JSONLines {
	j := &format.JSONLines{}
	o := v.object("a mapping such as {missing: is_null}")
	missing(o.get("missing"), &j.Missing)
	o.get("max_row").sizeInt(&j.MaxRowBytes)
	o.get("max_decompressed").size(&j.MaxDecompressedBytes)
	o.get("max_ratio").int64Into(&j.MaxRatio)
	o.done()
	return j
}

func missing(v value, dst *format.Missing) {
	if !v.given() {
		return
	}
	s, ok := v.text()
	if !ok {
		return
	}
	names := map[string]format.Missing{"bad": format.MissingIsBad, "is_null": format.MissingIsNull, "unsupplied": format.MissingIsUnsupplied}
	m, known := names[s]
	if !known {
		v.bad("%q is not bad, is_null or unsupplied", s)
	}
	*dst = m
}

func debezium(v value) *format.Debezium {
	d := &format.Debezium{}
	o := v.object("a mapping such as {unit: micros}, or {}")
	missing(o.get("missing"), &d.Missing)
	o.get("unavailable").bool(&d.Unavailable)
	timeUnit(o.get("unit"), &d.Unit)
	if units := o.get("units"); units.given() {
		d.Units = map[string]format.TimeUnit{}
		m := units.object("a mapping from columns to millis, micros or nanos")
		for _, name := range m.names {
			var u format.TimeUnit
			timeUnit(m.fields[name], &u)
			d.Units[name] = u
		}
	}
	o.get("decimal_text").bool(&d.DecimalText)
	o.get("max_row").sizeInt(&d.MaxRowBytes)
	o.get("max_decompressed").size(&d.MaxDecompressedBytes)
	o.get("max_ratio").int64Into(&d.MaxRatio)
	o.done()
	return d
}

func timeUnit(v value, dst *format.TimeUnit) {
	if !v.given() {
		return
	}
	s, ok := v.text()
	if !ok {
		return
	}
	switch u := format.TimeUnit(s); u {
	case format.Millis, format.Micros, format.Nanos:
		*dst = u
	default:
		v.bad("%q is not millis, micros or nanos", s)
	}
}

func avroFormat(v value) *avroformat.Format {
	f := &avroformat.Format{}
	o := v.object("a mapping such as {events: true}, or {}")
	o.get("events").bool(&f.Events)
	o.get("unavailable").bool(&f.Unavailable)
	o.get("any_zone").bool(&f.AnyZone)
	o.get("max_block").size(&f.MaxBlockBytes)
	o.done()
	return f
}

func quote(v value, dst *byte) {
	if n, ok := v.node.(*ast.StringNode); ok && n.Value == "none" {
		*dst = format.NoQuote
		return
	}
	character(v, dst)
}

func character(v value, dst *byte) {
	if !v.given() {
		return
	}
	s, ok := v.text()
	if !ok {
		return
	}
	switch {
	case s == "tab":
		*dst = '\t'
	case len(s) != 1 || s[0] >= 0x80 || s[0] == '\n' || s[0] == '\r' || s[0] == 0:
		v.bad("is not one ASCII character")
	default:
		*dst = s[0]
	}
}

func (v value) sizeInt(dst *int) {
	var n int64
	if !v.given() {
		return
	}
	if v.size(&n); n > 1<<30 {
		v.bad("is more than 1GiB")
		return
	}
	*dst = int(n)
}

func (v value) int64Into(dst *int64) {
	if v.given() {
		v.int64(dst)
	}
}

func parquetFormat(v value) *parquetformat.Format {
	f := &parquetformat.Format{}
	o := v.object("a mapping, or {}")
	o.get("any_zone").bool(&f.AnyZone)
	o.get("max_footer").size(&f.MaxFooterBytes)
	o.get("max_page").size(&f.MaxPageBytes)
	o.done()
	return f
}
