//go:build interop

package interop

import (
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/tidemark-data/etl"
	"github.com/tidemark-data/etl/etltest"
)

// wideColumns are of every type that a column can have.
func wideColumns() etl.Columns {
	return etl.Columns{
		{Name: "id", Type: etl.Long},
		{Name: "seq", Type: etl.Long},
		{Name: "flag", Type: etl.Bool},
		{Name: "i", Type: etl.Int},
		{Name: "l", Type: etl.Long},
		{Name: "f", Type: etl.Float},
		{Name: "d", Type: etl.Double},
		{Name: "dec9", Type: etl.Decimal(9, 2)},
		{Name: "dec18", Type: etl.Decimal(18, 4)},
		{Name: "dec38", Type: etl.Decimal(38, 10)},
		{Name: "day", Type: etl.Date},
		{Name: "ts", Type: etl.Timestamp},
		{Name: "tz", Type: etl.TimestampTZ},
		{Name: "s", Type: etl.String},
		{Name: "region", Type: etl.String},
		{Name: "odd", Type: etl.String},
		{Name: "bin", Type: etl.Binary, Format: "hex"},
		{Name: "u", Type: etl.UUID},
	}
}

// edges are values in canonical text at the limits of their types.
var edges = map[string][]string{
	"flag":  {"true", "false"},
	"i":     {"-2147483648", "2147483647", "0", "-1"},
	"l":     {"-9223372036854775800", "9223372036854775807", "0", "-1"}, // less cannot be truncated to 100s
	"f":     {"NaN", "+Inf", "-Inf", "3.4028235e+38", "1e-45", "-0", "0", "0.1"},
	"d":     {"NaN", "+Inf", "-Inf", "1.7976931348623157e+308", "5e-324", "-0", "0", "0.1"},
	"dec9":  {"9999999.99", "-9999999.99", "0.00", "-0.01", "1.28", "2.55"},
	"dec18": {"99999999999999.9999", "-99999999999999.9999", "0.0000", "-0.0001"},
	"dec38": {"9999999999999999999999999999.9999999999", "-9999999999999999999999999999.9999999999", "0.0000000000", "-0.0000000001"},
	"day":   {"1969-12-31", "1970-01-01", "1900-01-01", "2024-02-29", "2299-12-31"},
	"ts":    {"1969-12-31 23:59:59.999999", "1970-01-01 00:00:00", "1900-01-01 00:00:00", "2024-02-29 23:59:59.000001", "2299-12-31 23:59:59.999999"},
	"tz":    {"1969-12-31 23:59:59.999999", "1970-01-01 00:00:00", "1900-01-01 00:00:00", "2024-03-31 01:30:00.5", "2299-12-31 23:59:59.999999"},
	"s": {
		"", " ", "NULL", "null", "a,b\"c'd\\e\r\nf\tg", "äöü ß 中文 \U0001F600", "with nul\x00byte",
		strings.Repeat("long prefix that bounds cut ", 40) + "1", strings.Repeat("long prefix that bounds cut ", 40) + "2",
		strings.Repeat("\U0010FFFF", 30), strings.Repeat("é", 17), "\uffff", "\U00010000", "e\u0301", "é",
	},
	"odd": {" ", "a,b\"c'd\\e\r\nf", "\U0010FFFF\U0010FFFF", "north", "süd", "a/b=c&d%20 e", "..", "__HIVE_DEFAULT_PARTITION__", "\U0001F600", "'quote\"", "x y+z", "tab\tline\n"},
	"bin": {"", "00", "ff", strings.Repeat("ff", 40), "00ff80", "deadbeef" + strings.Repeat("00", 60)},
	"u":   {"00000000-0000-0000-0000-000000000000", "ffffffff-ffff-ffff-ffff-ffffffffffff", "80000000-0000-4000-8000-000000000000"},
}

// farDates are dates and times at both ends of the calendar, and one that the
// Gregorian calendar left out.
var farDates = map[string][]string{
	"day": {"0001-01-01", "1582-10-10", "9999-12-31"},
	"ts":  {"0001-01-01 00:00:00", "1582-10-10 12:00:00", "9999-12-31 23:59:59.999999"},
	"tz":  {"0001-01-01 00:00:00", "1582-10-10 12:00:00", "9999-12-31 23:59:59.999999"},
}

// maker makes changes to tables with wideColumns.
type maker struct {
	*rand.Rand
	cols etl.Columns
	far  bool
	keys int
	seq  int64
}

func newMaker(seed uint64, cols etl.Columns, keys int) *maker {
	return &maker{Rand: rand.New(rand.NewPCG(seed, 7)), cols: cols, keys: keys}
}

// fullLoad holds every key, some of them twice.
func (m *maker) fullLoad() []etltest.Change {
	var rows []etltest.Change
	for id := range m.keys {
		rows = append(rows, etltest.Upsert(m.row(int64(id))...))
		if m.IntN(20) == 0 {
			rows = append(rows, etltest.Upsert(m.row(int64(id))...))
		}
	}
	return rows
}

// changeFile updates, inserts and deletes.
func (m *maker) changeFile(n int) []etltest.Change {
	var rows []etltest.Change
	for range n {
		id := m.Int64N(int64(m.keys) * 5 / 4)
		if m.IntN(3) > 0 {
			rows = append(rows, etltest.Upsert(m.row(id)...))
			continue
		}
		row := make([]any, len(m.cols))
		row[0], row[1] = id, m.next()
		rows = append(rows, etltest.Delete(row...))
	}
	return rows
}

func (m *maker) next() int64 {
	m.seq++
	return m.seq
}

func (m *maker) row(id int64) []any {
	row := []any{id, m.next()}
	for _, col := range m.cols[2:] {
		row = append(row, m.value(col))
	}
	return row
}

func (m *maker) value(col etl.Column) any {
	pool := edges[col.Name]
	if m.far && farDates[col.Name] != nil {
		pool = farDates[col.Name]
	}
	switch n := m.IntN(8); {
	case n == 0:
		return nil
	case n <= 3 && pool != nil:
		return pool[m.IntN(len(pool))]
	}
	return m.common(col)
}

// common is an ordinary value of the column's type, in canonical text.
func (m *maker) common(col etl.Column) string {
	at := time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC).Add(time.Duration(m.Int64N(60*24*3600*1e6)) * time.Microsecond)
	switch col.Type {
	case etl.Bool:
		return fmt.Sprint(m.IntN(2) == 0)
	case etl.Int, etl.Long:
		return fmt.Sprint(m.IntN(2000) - 1000)
	case etl.Float:
		return etltest.Text(m.Float32() * 1000)
	case etl.Double:
		return etltest.Text(m.NormFloat64() * 1e6)
	case etl.Date:
		return at.Format("2006-01-02")
	case etl.Timestamp, etl.TimestampTZ:
		return etltest.Text(at)
	case etl.Binary:
		return hex.EncodeToString([]byte{byte(m.Uint32()), byte(m.Uint32()), byte(m.Uint32())})
	case etl.UUID:
		b := fmt.Sprintf("%016x%016x", m.Uint64(), m.Uint64())
		return b[:8] + "-" + b[8:12] + "-" + b[12:16] + "-" + b[16:20] + "-" + b[20:]
	}
	if _, scale, ok := col.Type.DecimalSize(); ok {
		return fmt.Sprintf("%d.%0*d", m.IntN(20000)-10000, scale, m.IntN(100))
	}
	if col.Name == "region" || col.Name == "odd" {
		return []string{"north", "south", "west"}[m.IntN(3)]
	}
	return fmt.Sprintf("text %d", m.IntN(500))
}
