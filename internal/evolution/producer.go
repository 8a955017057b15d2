package evolution

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/decimal128"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/apache/arrow-go/v18/parquet"
	"github.com/apache/arrow-go/v18/parquet/pqarrow"
	"github.com/stretchr/testify/require"

	etl "github.com/tidemark-data/etl"
	"github.com/tidemark-data/etl/etltest"
)

// field is a column as the producer knows it, through all versions of its schema.
type field struct {
	name, former string
	narrow, wide etl.Type // wide from version wideAt on
	from, to     int      // the versions that have it; to 0 is all later ones
	wideAt       int
	renamedAt    int
	nullable     int // the version from which on it may be null
	// until is the version from which on its values are of a type that it cannot take:
	// they go to the column of which it is the textOf, as text.
	until  int
	textOf string
	sparse bool // JSON records may lack it
}

// fields are the universe of columns. What a version does not have is unsupplied in
// its change files.
func fields(typed bool) []field {
	d1, d2 := etl.Decimal(9, 2), etl.Decimal(9, 2)
	if typed {
		d2 = etl.Decimal(15, 2)
	}
	return []field{
		{name: "id", narrow: etl.Int, wide: etl.Long, wideAt: 4},
		{name: "at", narrow: etl.Int, wide: etl.Long, wideAt: 5},
		{name: "count", narrow: etl.Int, wide: etl.Long, wideAt: 2},
		{name: "ratio", narrow: etl.Float, wide: etl.Double, wideAt: 3},
		{name: "price", narrow: d1, wide: d2, wideAt: 2},
		{name: "title", former: "name", narrow: etl.String, wide: etl.String, renamedAt: 4},
		{name: "code", narrow: etl.String, wide: etl.String, nullable: 3},
		{name: "note", narrow: etl.String, wide: etl.String, to: 5},
		{name: "seen", narrow: etl.Long, wide: etl.Long, from: 1},
		{name: "share", narrow: etl.Double, wide: etl.Double, from: 3},
		{name: "label", narrow: etl.String, wide: etl.String, from: 5},
		{name: "size", narrow: etl.Int, wide: etl.Int, until: 3},
		{name: "size_string", narrow: etl.String, wide: etl.String, from: 3, textOf: "size"},
		{name: "rare", narrow: etl.Long, wide: etl.Long, from: 2, sparse: true},
	}
}

const lastVersion = 6

func (f field) in(version int) bool {
	return f.from <= version && (f.to == 0 || version < f.to) && (f.until == 0 || version < f.until)
}

func (f field) at(version int) etl.Type {
	if f.wideAt > 0 && version >= f.wideAt {
		return f.wide
	}
	return f.narrow
}

// inFile is name and type in Parquet files.
func (f field) inFile(version int) (string, etl.Type) {
	if f.textOf != "" {
		return f.textOf, etl.Double
	}
	return f.called(version), f.at(version)
}

func (f field) called(version int) string {
	if f.former != "" && version < f.renamedAt {
		return f.former
	}
	return f.name
}

// producer writes files of versions of its schema.
type producer struct {
	t       testing.TB
	r       *rand.Rand
	fields  []field
	parquet bool
	seq     int64
}

// value is one that a file of the version holds.
func (p *producer) value(f field, version int) any {
	switch {
	case f.textOf != "":
		return fmt.Sprintf("%d.5", p.r.IntN(1000))
	case f.sparse && !p.parquet && p.r.IntN(2) == 0:
		return etltest.Unsupplied{}
	}
	if f.name != "id" && f.name != "at" && (f.name != "code" || version >= f.nullable) && p.r.IntN(6) == 0 {
		return nil
	}
	big := p.r.IntN(2) == 0
	switch t := f.at(version); t {
	case etl.Int:
		return int64(p.r.IntN(1000) - 500)
	case etl.Long:
		if big && f.name == "count" {
			return int64(1)<<40 + int64(p.r.IntN(1000))
		}
		return int64(p.r.IntN(1000))
	case etl.Float, etl.Double:
		v := float64(p.r.IntN(4000)) / 8
		if t == etl.Double && big {
			v += 1e-9 // no float holds it
		}
		return v
	case etl.String:
		return fmt.Sprintf("text %d", p.r.IntN(1000))
	}
	precision, _, _ := f.at(version).DecimalSize()
	n := int64(p.r.IntN(10_000_000))
	if precision > 9 && big {
		n *= 1_000_000
	}
	return decimalText(n - n%10 + 7) // no zero at the end, which readers write or not
}

func decimalText(n int64) string { return fmt.Sprintf("%d.%02d", n/100, n%100) }

// rows are changes by field of the universe.
func (p *producer) rows(kind etl.LoadKind, version int) []etltest.Change {
	var out []etltest.Change
	for range 4 + p.r.IntN(25) {
		c := etltest.Change{Op: etl.Upsert, Values: make([]any, len(p.fields))}
		if kind != etl.Full && p.r.IntN(5) == 0 {
			c.Op = etl.Delete
		}
		for i, f := range p.fields {
			switch {
			case f.name == "id":
				c.Values[i] = int64(p.r.IntN(60))
				if f.at(version) == etl.Long && p.r.IntN(4) == 0 {
					c.Values[i] = int64(1)<<33 + int64(p.r.IntN(20))
				}
			case f.name == "at":
				p.seq += int64(p.r.IntN(3)) - int64(p.r.IntN(8)/7)*5
				c.Values[i] = max(p.seq, 0)
				if f.at(version) == etl.Long && p.seq%3 == 0 {
					c.Values[i] = int64(1)<<33 + max(p.seq, 0)
				}
			case f.in(version):
				c.Values[i] = p.value(f, version)
			case kind != etl.Full:
				c.Values[i] = etltest.Unsupplied{}
			}
		}
		out = append(out, c)
	}
	return out
}

// file writes rows as a version of the schema has them.
func (p *producer) file(kind etl.LoadKind, version int, rows []etltest.Change) []byte {
	if p.parquet {
		return p.parquetFile(kind, version, rows)
	}
	var b bytes.Buffer
	for _, row := range rows {
		record := map[string]any{}
		if kind != etl.Full {
			record["Op"] = map[etl.Op]string{etl.Upsert: "U", etl.Delete: "D"}[row.Op]
		}
		for i, f := range p.fields {
			if _, lacks := row.Values[i].(etltest.Unsupplied); !f.in(version) || lacks {
				continue
			}
			name, _ := f.inFile(version)
			record[name] = row.Values[i]
			if text, ok := row.Values[i].(string); ok && (f.name == "price" || f.textOf != "") {
				record[name] = json.Number(text)
			}
		}
		line, err := json.Marshal(record)
		require.NoError(p.t, err)
		b.Write(append(line, '\n'))
	}
	return b.Bytes()
}

func (p *producer) parquetFile(kind etl.LoadKind, version int, rows []etltest.Change) []byte {
	var arrowFields []arrow.Field
	var has []int
	if kind != etl.Full {
		arrowFields, has = append(arrowFields, arrow.Field{Name: "Op", Type: arrow.BinaryTypes.String}), append(has, -1)
	}
	for i, f := range p.fields {
		if f.in(version) {
			name, typ := f.inFile(version)
			arrowFields = append(arrowFields, arrow.Field{Name: name, Type: typ.Arrow(), Nullable: true})
			has = append(has, i)
		}
	}
	schema := arrow.NewSchema(arrowFields, nil)
	b := array.NewRecordBuilder(memory.DefaultAllocator, schema)
	defer b.Release()
	for _, row := range rows {
		for c, i := range has {
			if i < 0 {
				b.Field(c).(*array.StringBuilder).Append(map[etl.Op]string{etl.Upsert: "U", etl.Delete: "D"}[row.Op])
			} else {
				p.append(b.Field(c), row.Values[i])
			}
		}
	}
	rec := b.NewRecordBatch()
	defer rec.Release()
	var out bytes.Buffer
	w, err := pqarrow.NewFileWriter(schema, &out, parquet.NewWriterProperties(parquet.WithStoreDecimalAsInteger(true)), pqarrow.DefaultWriterProps())
	require.NoError(p.t, err)
	require.NoError(p.t, w.Write(rec))
	require.NoError(p.t, w.Close())
	return out.Bytes()
}

func (p *producer) append(to array.Builder, v any) {
	switch to := to.(type) {
	case *array.Int32Builder:
		if n, ok := v.(int64); ok {
			to.Append(int32(n))
			return
		}
	case *array.Int64Builder:
		if n, ok := v.(int64); ok {
			to.Append(n)
			return
		}
	case *array.Float32Builder:
		if n, ok := v.(float64); ok {
			to.Append(float32(n))
			return
		}
	case *array.Float64Builder:
		if s, ok := v.(string); ok {
			n, err := strconv.ParseFloat(s, 64)
			require.NoError(p.t, err)
			to.Append(n)
			return
		}
		if n, ok := v.(float64); ok {
			to.Append(n)
			return
		}
	case *array.StringBuilder:
		if s, ok := v.(string); ok {
			to.Append(s)
			return
		}
	case *array.Decimal128Builder:
		if s, ok := v.(string); ok {
			n, err := decimal128.FromString(strings.TrimSpace(s), 38, 2)
			require.NoError(p.t, err)
			to.Append(n)
			return
		}
	}
	require.Nil(p.t, v)
	to.AppendNull()
}

// location is a place that the DMS layout knows, later than those before.
func location(kind etl.LoadKind, n int, ext string) string {
	if kind == etl.Full {
		return fmt.Sprintf("shop/items/LOAD%08X.%s", n, ext)
	}
	at := time.Date(2024, 2, 20, 11, 0, 0, 0, time.UTC).Add(time.Duration(n) * time.Second)
	return "shop/items/" + at.Format("20060102-150405") + "000." + ext
}
