//go:build spark

package reading

import (
	"bytes"
	"testing"

	"github.com/tidemark-data/etl"
	"github.com/tidemark-data/etl/format"
)

func TestReadingTransactions(t *testing.T) { readShare(t, 400, random.transactions, 25) }

// readShare is readAll for fewer files: those of one format read as those of another.
func readShare(t *testing.T, seed uint64, make func(random, *testing.T) reading, good int) {
	var cases []reading
	for i := range (*readings + 2) / 3 {
		cases = append(cases, make(newRandom(seed+uint64(i)*1000+*readingSeed), t))
	}
	both(t, newRandom(seed), cases, good)
}

func delimited(f etl.Format) bool {
	switch f.(type) {
	case format.CSV, format.DMSTransactions:
		return true
	}
	return false
}

// partOf is what [etl.File.Part] is for the files of a table.
func partOf(table etl.Table, kind etl.LoadKind) string {
	if m, ok := table.Format.(etl.MixedFormat); ok && m.Mixed() && kind == etl.Incremental {
		return table.Name
	}
	return ""
}

// transactions makes files of AWS DMS in which the rows of several tables are mixed.
func (r random) transactions(t *testing.T) reading {
	table, kind := r.table(t)
	table.Name, table.Op.Column = pick(r, "s.t", "Shop.Straße", "a.K", "ß.ẞ"), "Op"
	whole := r.chance(60)
	var cols etl.Columns
	for _, c := range r.fileColumns(table, whole) {
		if c.Name != "Op" {
			cols = append(cols, c)
		}
	}
	c := format.CSV{Null: pick(r, "", "", "NULL"), Quote: pick[byte](r, 0, 0, '\'', format.NoQuote), MaxFieldBytes: pick(r, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 40)}
	if r.chance(30) {
		none := pick(r, "?", "NULL")
		c.NotSupplied = &none
	}
	names := []string{"Op"}
	for _, col := range cols {
		names = append(names, col.Name)
	}
	c.Header = r.chance(30)
	if c.Header || r.chance(50) {
		cols = table.Columns
	} else {
		c.FullColumns, c.ChangeColumns = names[1:], names
	}
	d := format.DMSTransactions{CSV: c, LowerCase: r.chance(40)}
	if r.chance(10) {
		d.Schema, d.Table = pick(r, "", "other"), pick(r, "", "K")
	}
	table.Format = d.ForTable(table)
	return reading{table, kind, r.packed(r.mixedFile(table, kind, cols, c))}
}

func (r random) mixedFile(table etl.Table, kind etl.LoadKind, cols etl.Columns, c format.CSV) []byte {
	var b bytes.Buffer
	nasty := pick(r, 0, 0, 0, 0, 0, 1, 4)
	if c.Header && kind == etl.Full {
		header := make([]string, len(cols))
		for i := range cols {
			header[i] = cols[i].Name
		}
		r.csvRow(&b, c, header)
	}
	own := table.Format.(format.DMSTransactions)
	for range r.rows() {
		row := r.values(table, cols, nasty)
		if kind == etl.Incremental {
			row = append(r.heading(own, nasty), row...)
		}
		r.csvRow(&b, c, row)
	}
	data := b.Bytes()
	if r.chance(10) {
		data = r.damage(data, ",\"\n\r'\xff")
	}
	return data
}

// heading is operation, table and schema of a row, mostly those of the table.
func (r random) heading(d format.DMSTransactions, nasty int) []string {
	op := pick(r, "I", "U", "D", "DEL")
	if r.chance(nasty) {
		op = pick(r, "", "i", "X")
	}
	switch {
	case r.chance(60):
		return []string{op, d.Table, d.Schema}
	case r.chance(nasty):
		return []string{op}
	}
	return []string{
		op, pick(r, d.Table, "T", "t", "straße", "STRASSE", "STRAẞE", "\u212a", "k", "ss", "T\xff", "other"), pick(r, d.Schema, "S", "s", "SHOP", "a", "A", "x,y", "\"q\""),
	}
}
