//go:build spark

package reading

import (
	"bytes"
	"strings"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/decimal128"
	"github.com/apache/arrow-go/v18/arrow/extensions"
	"github.com/apache/arrow-go/v18/arrow/float16"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/apache/arrow-go/v18/parquet"
	"github.com/apache/arrow-go/v18/parquet/compress"
	"github.com/apache/arrow-go/v18/parquet/pqarrow"
	"github.com/stretchr/testify/require"

	"github.com/tidemark-data/etl"
	"github.com/tidemark-data/etl/format/parquetformat"
)

func (r random) parquet(t *testing.T) reading {
	table, kind := r.table(t)
	for i := range table.Columns {
		table.Columns[i].Format, table.Columns[i].Zone = "", ""
	}
	f := parquetformat.Format{AnyZone: r.chance(30)}
	if r.chance(3) {
		f.MaxFooterBytes = 100
	}
	table.Format = f
	cols := r.fileColumns(table, r.chance(85))
	if r.chance(2) {
		cols = append(cols, cols[0])
	}
	nasty := pick(r, 0, 0, 0, 0, 1, 5)
	fields := make([]arrow.Field, len(cols))
	for i, c := range cols {
		fields[i] = arrow.Field{Name: c.Name, Type: r.arrowType(c, nasty), Nullable: true}
	}
	data := r.parquetFile(t, table, cols, arrow.NewSchema(fields, nil), nasty)
	switch r.IntN(20) {
	case 0:
		data = data[:r.IntN(len(data)+1)]
	case 1:
		data[len(data)-1-r.IntN(min(len(data), 12))] ^= byte(1 + r.IntN(255))
	}
	return reading{table, kind, data}
}

func (r random) parquetFile(t *testing.T, table etl.Table, cols etl.Columns, schema *arrow.Schema, nasty int) []byte {
	var b bytes.Buffer
	opts := []parquet.WriterProperty{
		parquet.WithDictionaryDefault(r.chance(50)), parquet.WithCompression(pick(r, compress.Codecs.Uncompressed, compress.Codecs.Snappy, compress.Codecs.Zstd, compress.Codecs.Gzip)),
		parquet.WithDataPageVersion(pick(r, parquet.DataPageV1, parquet.DataPageV2)), parquet.WithStoreDecimalAsInteger(r.chance(50)),
	}
	arrowOpts := []pqarrow.WriterOption{}
	if r.chance(50) {
		arrowOpts = append(arrowOpts, pqarrow.WithStoreSchema())
	}
	w, err := pqarrow.NewFileWriter(schema, &b, parquet.NewWriterProperties(opts...), pqarrow.NewArrowWriterProperties(arrowOpts...))
	require.NoError(t, err)
	for left := r.rows(); left > 0; {
		n := min(left, 1+r.IntN(5000))
		left -= n
		rec := array.NewRecordBuilder(memory.DefaultAllocator, schema)
		for i, c := range cols {
			isKey := c.Required
			for range n {
				if c.Name != table.Op.Column && (isKey && r.chance(nasty) && r.chance(5) || !isKey && r.chance(10)) {
					rec.Field(i).AppendNull()
					continue
				}
				r.appendTo(rec.Field(i), c.Name == table.Op.Column, nasty)
			}
		}
		require.NoError(t, w.Write(rec.NewRecordBatch()))
		rec.Release()
	}
	require.NoError(t, w.Close())
	return b.Bytes()
}

// arrowType is a type that holds the column's, seldom another.
func (r random) arrowType(c etl.Column, nasty int) arrow.DataType {
	p := arrow.PrimitiveTypes
	stamp := func(u arrow.TimeUnit, zone string) arrow.DataType {
		return &arrow.TimestampType{Unit: u, TimeZone: zone}
	}
	unit := pick(r, arrow.Millisecond, arrow.Microsecond, arrow.Nanosecond)
	if r.chance(nasty) {
		return pick[arrow.DataType](r, p.Int64, p.Uint64, p.Float64, arrow.BinaryTypes.String, arrow.BinaryTypes.Binary, arrow.FixedWidthTypes.Date32,
			arrow.FixedWidthTypes.Time32ms, arrow.FixedWidthTypes.Time64us, stamp(unit, ""), stamp(unit, "UTC"), arrow.FixedWidthTypes.Boolean,
			&arrow.FixedSizeBinaryType{ByteWidth: 5}, &arrow.Decimal128Type{Precision: 20, Scale: 12}, arrow.ListOf(p.Int32), arrow.StructOf(arrow.Field{Name: "a", Type: p.Int32, Nullable: true}))
	}
	if precision, scale, ok := c.Type.DecimalSize(); ok {
		s := int32(r.IntN(scale + 1))
		return &arrow.Decimal128Type{Precision: 1 + s + int32(r.IntN(precision-scale)), Scale: s}
	}
	switch c.Type {
	case etl.Bool:
		return arrow.FixedWidthTypes.Boolean
	case etl.Int:
		return pick(r, p.Int8, p.Int16, p.Int32, p.Uint8, p.Uint16)
	case etl.Long:
		return pick(r, p.Int8, p.Int16, p.Int32, p.Int64, p.Uint8, p.Uint16, p.Uint32)
	case etl.Float:
		return pick[arrow.DataType](r, arrow.FixedWidthTypes.Float16, p.Float32)
	case etl.Double:
		return pick[arrow.DataType](r, arrow.FixedWidthTypes.Float16, p.Float32, p.Float64)
	case etl.Date:
		return arrow.FixedWidthTypes.Date32
	case etl.Timestamp:
		return stamp(unit, "")
	case etl.TimestampTZ:
		return stamp(unit, "UTC")
	case etl.Binary:
		return pick[arrow.DataType](r, arrow.BinaryTypes.Binary, &arrow.FixedSizeBinaryType{ByteWidth: 3})
	case etl.UUID:
		return pick[arrow.DataType](r, extensions.NewUUIDType(), &arrow.FixedSizeBinaryType{ByteWidth: 16})
	}
	return arrow.BinaryTypes.String
}

func (r random) appendTo(b array.Builder, op bool, nasty int) {
	fixed := func(n int) []byte {
		v := make([]byte, n)
		for i := range v {
			v[i] = byte(r.Uint32())
		}
		return v
	}
	switch b := b.(type) {
	case *array.BooleanBuilder:
		b.Append(r.chance(50))
	case *array.Int8Builder:
		b.Append(int8(r.Uint32()))
	case *array.Int16Builder:
		b.Append(int16(r.Uint32()))
	case *array.Int32Builder:
		b.Append(int32(r.Uint32()))
	case *array.Int64Builder:
		b.Append(int64(r.Uint64()))
	case *array.Uint8Builder:
		b.Append(uint8(r.Uint32()))
	case *array.Uint16Builder:
		b.Append(uint16(r.Uint32()))
	case *array.Uint32Builder:
		b.Append(r.Uint32())
	case *array.Uint64Builder:
		b.Append(r.Uint64())
	case *array.Float16Builder:
		b.Append(float16.New(r.Float32()))
	case *array.Float32Builder:
		b.Append(float32(r.NormFloat64()))
	case *array.Float64Builder:
		b.Append(r.NormFloat64())
	case *array.Date32Builder:
		b.Append(arrow.Date32(int32(r.Uint32())))
	case *array.Time32Builder:
		b.Append(arrow.Time32(r.IntN(86400000)))
	case *array.Time64Builder:
		b.Append(arrow.Time64(r.IntN(86400000)))
	case *array.TimestampBuilder:
		b.Append(r.timestamp(b.Type().(*arrow.TimestampType).Unit, nasty))
	case *array.Decimal128Builder:
		digits := min(int(b.Type().(*arrow.Decimal128Type).Precision), 1+r.IntN(38))
		v, err := decimal128.FromString(pick(r, "", "-")+"1"+strings.Repeat("9", digits-1), int32(digits), 0)
		if err != nil {
			panic(err)
		}
		b.Append(v)
	case *array.StringBuilder:
		text := r.text(etl.Column{Type: etl.String}, nasty)
		if op {
			if text = pick(r, "I", "U", "D", "DEL"); r.chance(nasty) {
				text = pick(r, "x", "")
			}
		}
		b.Append(text)
	case *array.BinaryBuilder:
		b.Append(fixed(r.IntN(20)))
	case *array.FixedSizeBinaryBuilder:
		b.Append(fixed(b.Type().(*arrow.FixedSizeBinaryType).ByteWidth))
	case *extensions.UUIDBuilder:
		b.AppendBytes([16]byte(fixed(16)))
	default:
		b.AppendNull()
	}
}

func (r random) timestamp(unit arrow.TimeUnit, nasty int) arrow.Timestamp {
	v := r.Int64N(1<<53) - 1<<52
	switch {
	case unit == arrow.Nanosecond && !r.chance(nasty):
		v *= 1000
	case unit == arrow.Millisecond && r.chance(nasty):
		v = int64(r.Uint64())
	case unit == arrow.Millisecond:
		v /= 1000
	}
	return arrow.Timestamp(v)
}
