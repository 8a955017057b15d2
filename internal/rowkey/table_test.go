package rowkey_test

import (
	"bytes"
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/decimal128"
	"github.com/apache/arrow-go/v18/arrow/extensions"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/stretchr/testify/require"

	"github.com/tidemark-data/etl/internal/rowkey"
)

var (
	long      = arrow.PrimitiveTypes.Int64
	integer   = arrow.PrimitiveTypes.Int32
	date      = arrow.FixedWidthTypes.Date32
	timestamp = &arrow.TimestampType{Unit: arrow.Microsecond}
	boolean   = arrow.FixedWidthTypes.Boolean
	decimal   = &arrow.Decimal128Type{Precision: 30, Scale: 2}
	uuid      = extensions.NewUUIDType()
	text      = arrow.BinaryTypes.String
	binary    = arrow.BinaryTypes.Binary
	double    = arrow.PrimitiveTypes.Float64
)

// column returns n values of the type out of a few or many, and nulls if asked for.
func column(r *rand.Rand, dt arrow.DataType, n, of int, nulls bool) arrow.Array {
	b := array.NewBuilder(memory.DefaultAllocator, dt)
	for range n {
		if nulls && r.IntN(10) == 0 {
			b.AppendNull()
			continue
		}
		v := r.IntN(of) - of/2
		switch b := b.(type) {
		case *array.Int64Builder:
			b.Append(int64(v) * math.MaxInt32)
		case *array.Int32Builder:
			b.Append(int32(v))
		case *array.Date32Builder:
			b.Append(arrow.Date32(v))
		case *array.TimestampBuilder:
			b.Append(arrow.Timestamp(v) * 1e9)
		case *array.BooleanBuilder:
			b.Append(v%2 == 0)
		case *array.Decimal128Builder:
			b.Append(decimal128.New(int64(v%3), uint64(v)))
		case *array.StringBuilder:
			b.Append([]string{"", "\x00", "\x00\xff", "a\x00", "ab", "\xff"}[(v+of)%6] + fmt.Sprint(v))
		case *array.BinaryBuilder:
			b.Append([]byte{byte(v), 0, byte(v >> 8)}[:(v+of)%4])
		case *array.Float64Builder:
			b.Append([]float64{math.Copysign(0, -1), 0, math.NaN(), math.Inf(-1), 1.5, -1.5}[(v+of)%6])
		case *extensions.UUIDBuilder:
			var id [16]byte
			id[0], id[15] = byte(v), byte(v>>8)
			b.Append(id)
		}
	}
	return b.NewArray()
}

func tuples() map[string][]arrow.DataType {
	return map[string][]arrow.DataType{
		"long": {long}, "int": {integer}, "date": {date}, "timestamp": {timestamp}, "bool": {boolean},
		"decimal": {decimal}, "uuid": {uuid}, "text": {text}, "binary": {binary},
		"two ints": {integer, date}, "bool and int": {boolean, integer}, "two longs": {long, timestamp},
		"bool, long and int": {boolean, long, integer}, "texts": {text, text}, "mixed": {text, long, uuid},
		"decimal and bool": {decimal, boolean},
	}
}

func codec(t testing.TB, types []arrow.DataType) *rowkey.Codec {
	c, err := rowkey.NewCodec(types...)
	require.NoError(t, err)
	return c
}

func columns(r *rand.Rand, types []arrow.DataType, n, of int, nulls bool) []arrow.Array {
	var cols []arrow.Array
	for _, dt := range types {
		cols = append(cols, column(r, dt, n, of, nulls))
	}
	return cols
}

// TestTableAgainstMap adds and finds tuples of every form next to a Go map.
func TestTableAgainstMap(t *testing.T) {
	for name, types := range tuples() {
		t.Run(name, func(t *testing.T) {
			r := rand.New(rand.NewPCG(1, 2))
			c, seed := codec(t, types), rowkey.NewSeed()
			table, want := rowkey.NewTable(c, seed, 0), map[string]int32{}
			var b rowkey.Batch
			var hashes []uint64
			for range 5 {
				cols := columns(r, types, 1000, 5000, false)
				one, err := rowkey.NewReader(cols)
				require.NoError(t, err)
				require.NoError(t, c.Encode(&b, cols))
				hashes = c.Hash(&seed, &b, hashes)
				numbers := table.AddAll(&b, hashes, nil)
				for i := range b.Len() {
					key := string(one.Append(nil, i))
					require.Equal(t, key, string(b.Append(nil, i)), "both encode alike")
					if _, ok := want[key]; !ok {
						want[key] = int32(len(want))
					}
					require.Equal(t, want[key], numbers[i])
					require.Equal(t, want[key], table.Add(&b, i, hashes[i]))
				}
			}
			require.Equal(t, len(want), table.Len())
			table.Ready()

			cols := columns(r, types, 4000, 20000, true)
			one, _ := rowkey.NewReader(cols)
			require.NoError(t, c.Encode(&b, cols))
			found := make([]int32, b.Len())
			table.Find(&b, found)
			for i, n := range found {
				k, ok := want[string(one.Append(nil, i))]
				switch {
				case one.Null(i) >= 0:
					require.True(t, b.Null(i))
					require.EqualValues(t, -1, n)
				case !ok:
					require.EqualValues(t, -1, n)
				default:
					require.Equal(t, k, n)
				}
			}

			back := table.Columns(c)
			again, err := rowkey.NewReader(back)
			require.NoError(t, err)
			for i := range table.Len() {
				require.Equal(t, int32(i), want[string(again.Append(nil, i))])
				require.True(t, arrow.TypeEqual(types[0], back[0].DataType()))
			}
		})
	}
}

// TestEncodedTuplesCompareAsTheTuples covers the forms of orders.
func TestEncodedTuplesCompareAsTheTuples(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	for name, types := range map[string][]arrow.DataType{"long": {long}, "int and bool": {integer, boolean}, "longs": {long, long}, "text and int": {text, integer}, "double": {double}} {
		t.Run(name, func(t *testing.T) {
			c := codec(t, types)
			cols := columns(r, types, 300, 50, false)
			var b rowkey.Batch
			require.NoError(t, c.Encode(&b, cols))
			for i := range 300 {
				for j := range 300 {
					encoded := bytes.Compare(b.Append(nil, i), b.Append(nil, j))
					require.Equal(t, compare(cols, i, j), encoded)
					require.Equal(t, encoded == 0, b.Equal(i, &b, j))
					if c.Form() == rowkey.Word {
						require.Equal(t, encoded < 0, b.Words[i] < b.Words[j])
					}
				}
			}
		})
	}
}

func compare(cols []arrow.Array, i, j int) int {
	for _, col := range cols {
		d := 0
		switch a := col.(type) {
		case *array.Int64:
			d = cmpOf(a.Value(i), a.Value(j))
		case *array.Int32:
			d = cmpOf(a.Value(i), a.Value(j))
		case *array.String:
			d = cmpOf(a.Value(i), a.Value(j))
		case *array.Boolean:
			d = cmpOf(fmt.Sprint(a.Value(i)), fmt.Sprint(a.Value(j)))
		case *array.Float64:
			x, y := a.Value(i), a.Value(j)
			switch {
			case math.IsNaN(x) || math.IsNaN(y):
				d = cmpOf(fmt.Sprint(math.IsNaN(x)), fmt.Sprint(math.IsNaN(y)))
			default:
				d = cmpOf(x, y)
			}
		}
		if d != 0 {
			return d
		}
	}
	return 0
}

func cmpOf[T int64 | int32 | string | float64](a, b T) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

// TestRecords writes tuples and reads them back.
func TestRecords(t *testing.T) {
	for name, types := range tuples() {
		t.Run(name, func(t *testing.T) {
			c := codec(t, types)
			var b, back, third rowkey.Batch
			require.NoError(t, c.Encode(&b, columns(rand.New(rand.NewPCG(1, 1)), types, 100, 1000, false)))
			back.Reset(c)
			third.Reset(c)
			var rec []byte
			for i := range b.Len() {
				rec = b.AppendRecord(rec[:0], i)
				rest, ok := back.ReadRecord(rec)
				require.True(t, ok)
				require.Empty(t, rest)
				_, ok = third.ReadRecord(rec[:len(rec)-1])
				require.False(t, ok)
				require.True(t, b.Equal(i, &back, i))
				third.AppendEncoded(b.Append(nil, i))
				require.True(t, b.Equal(i, &third, i))
			}
			back.AppendNull()
			third.AppendEncoded(b.Append(nil, 0))
			back.AppendEncoded(b.Append(nil, 0))
			back.Done()
			require.True(t, back.Null(100))
			require.False(t, back.Null(101))
			require.True(t, back.Equal(101, &third, 100))
		})
	}
}

func TestOtherColumnsAreRefused(t *testing.T) {
	_, err := rowkey.NewCodec(arrow.ListOf(long))
	require.Error(t, err)
	c := codec(t, []arrow.DataType{long, text})
	r := rand.New(rand.NewPCG(1, 2))
	var b rowkey.Batch
	require.Error(t, c.Encode(&b, columns(r, []arrow.DataType{arrow.PrimitiveTypes.Date32, text}, 5, 5, false)))
	require.Error(t, c.Encode(&b, columns(r, []arrow.DataType{long}, 5, 5, false)))
	require.Error(t, c.Encode(&b, []arrow.Array{column(r, long, 5, 5, false), column(r, text, 4, 5, false)}))
}

func longs(n int, key func(i int) int64) []arrow.Array {
	b := array.NewInt64Builder(memory.DefaultAllocator)
	for i := range n {
		b.Append(key(i))
	}
	return []arrow.Array{b.NewArray()}
}

func strings(n int, key func(i int) int64) []arrow.Array {
	b := array.NewStringBuilder(memory.DefaultAllocator)
	for i := range n {
		b.Append(fmt.Sprintf("incident-%d", key(i)))
	}
	return []arrow.Array{b.NewArray()}
}

// scatter spreads keys over the space, as identifiers of changes are.
func scatter(i int) int64 { return int64(uint64(i) * 0x9e3779b97f4a7c15 >> 1) }

func BenchmarkTable(b *testing.B) {
	for _, n := range []int{1_000_000, 5_000_000} {
		for name, make := range map[string]func(int, func(int) int64) []arrow.Array{"long": longs, "text": strings} {
			if name == "text" && n > 1_000_000 {
				continue
			}
			b.Run(fmt.Sprintf("%s-%dM", name, n/1_000_000), func(b *testing.B) { benchmarkTable(b, n, make) })
		}
	}
}

func benchmarkTable(b *testing.B, n int, column func(int, func(int) int64) []arrow.Array) {
	cols := column(n, scatter)
	c := codec(b, []arrow.DataType{cols[0].DataType()})
	seed := rowkey.NewSeed()
	var table *rowkey.Table
	var batch rowkey.Batch
	perKey := func(b *testing.B) {
		b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(n), "ns/key")
	}
	fill := func() {
		require.NoError(b, c.Encode(&batch, cols))
		hashes := c.Hash(&seed, &batch, nil)
		table = rowkey.NewTable(c, seed, 0)
		table.AddAll(&batch, hashes, nil)
	}
	b.Run("add", func(b *testing.B) {
		for b.Loop() {
			fill()
		}
		perKey(b)
	})
	b.Run("ready", func(b *testing.B) {
		fill()
		for b.Loop() {
			table.Ready()
		}
		perKey(b)
	})
	find := func(b *testing.B, keys []arrow.Array) {
		fill()
		table.Ready()
		out := make([]int32, n)
		for b.Loop() {
			require.NoError(b, c.Encode(&batch, keys))
			table.Find(&batch, out)
		}
		perKey(b)
	}
	b.Run("hit", func(b *testing.B) { find(b, cols) })
	b.Run("miss", func(b *testing.B) { find(b, column(n, func(i int) int64 { return scatter(i + n) })) })
}

// TestReusedTables: a table in used memory, or with room made in advance, is as
// good as a new one, with and without its filter.
func TestReusedTables(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	for _, types := range [][]arrow.DataType{{long}, {long, integer}, {text}, {text, uuid}} {
		c, err := rowkey.NewCodec(types...)
		require.NoError(t, err)
		seed := rowkey.NewSeed()
		used := rowkey.NewTable(c, seed, 0)
		require.False(t, used.Reuse(1_000_000), "it is too small")
		for round := range 4 {
			n := 3000 + 500*round
			cols := make([]arrow.Array, len(types))
			for i, dt := range types {
				cols[i] = column(r, dt, n, 5000, false)
			}
			var b rowkey.Batch
			require.NoError(t, c.Encode(&b, cols))
			hashes := c.Hash(&seed, &b, nil)
			fresh := rowkey.NewTable(c, seed, n)
			want := fresh.AddAll(&b, hashes, nil)
			require.Equal(t, want, used.AddAll(&b, hashes, nil))
			if round%2 == 0 {
				used.Ready()
			}
			found := make([]int32, n)
			used.Find(&b, found)
			require.Equal(t, want, found)
			require.Equal(t, fresh.Len(), used.Len())
			require.True(t, used.Reuse(fresh.Len()))
			require.Zero(t, used.Len())
			used.Find(&b, found)
			require.NotContains(t, found, int32(0))
			if round == 1 {
				used.Reserve(100_000, true)
				require.False(t, used.Reuse(10), "it is too large")
				used = rowkey.NewTable(c, seed, 0)
				used.Reserve(n, false)
			}
		}
	}
}

// TestWiderTypesHaveTheSameBytes: keys and orders that are kept outlive a promotion
// (Iceberg spec, "Schema Evolution").
func TestWiderTypesHaveTheSameBytes(t *testing.T) {
	ints, longs := array.NewInt32Builder(memory.DefaultAllocator), array.NewInt64Builder(memory.DefaultAllocator)
	floats, doubles := array.NewFloat32Builder(memory.DefaultAllocator), array.NewFloat64Builder(memory.DefaultAllocator)
	narrow := array.NewDecimal128Builder(memory.DefaultAllocator, &arrow.Decimal128Type{Precision: 9, Scale: 2})
	wide := array.NewDecimal128Builder(memory.DefaultAllocator, &arrow.Decimal128Type{Precision: 38, Scale: 2})
	for _, n := range []int32{math.MinInt32, -1, 0, 1, math.MaxInt32} {
		ints.Append(n)
		longs.Append(int64(n))
		floats.Append(float32(n) / 3)
		doubles.Append(float64(float32(n) / 3))
		narrow.Append(decimal128.FromI64(int64(n)))
		wide.Append(decimal128.FromI64(int64(n)))
	}
	for _, pair := range [][2]array.Builder{{ints, longs}, {floats, doubles}, {narrow, wide}} {
		a, b := pair[0].NewArray(), pair[1].NewArray()
		for _, more := range [][]arrow.Array{nil, {column(rand.New(rand.NewPCG(1, 2)), text, 5, 5, false)}} {
			types := []arrow.DataType{b.DataType()}
			for range more {
				types = append(types, text)
			}
			c := codec(t, types)
			var x, y rowkey.Batch
			require.NoError(t, c.Encode(&x, append([]arrow.Array{a}, more...)))
			require.NoError(t, c.Encode(&y, append([]arrow.Array{b}, more...)))
			for i := range 5 {
				require.True(t, x.Equal(i, &y, i))
				require.Equal(t, x.Append(nil, i), y.Append(nil, i))
			}
		}
	}
}
