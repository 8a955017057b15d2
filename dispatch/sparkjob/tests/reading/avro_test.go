//go:build spark

package reading

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/twmb/avro"
	"github.com/twmb/avro/ocf"

	"github.com/tidemark-data/etl"
	"github.com/tidemark-data/etl/format"
	"github.com/tidemark-data/etl/format/avroformat"
)

func TestReadingAvro(t *testing.T) { readShare(t, 600, random.avro, 25) }

// avro makes object container files, of rows or of change events.
func (r random) avro(t *testing.T) reading {
	table, kind := r.table(t)
	plainNames(&table)
	f := avroformat.Format{Events: r.chance(40), AnyZone: r.chance(30), Unavailable: r.chance(60), MaxBlockBytes: pick[int64](r, 0, 0, 0, 0, 0, 0, 2000)}
	if f.Events {
		table.Op = format.Debezium{}.Op()
		for i, key := range table.Key {
			if table.OldKey != nil {
				table.OldKey[i] = "__before_" + key
			}
		}
		ownColumns(r, &table)
		for i := range table.Columns {
			table.Columns[i].Format, table.Columns[i].Zone = "", ""
		}
	}
	table.Format = f
	a := avroMaker{random: r, t: t, table: table, kind: kind, events: f.Events, nasty: pick(r, 0, 0, 0, 0, 0, 0, 1, 4)}
	data := a.file()
	switch r.IntN(8) {
	case 0:
		data = r.flipped(data, len(data)/2)
	case 1:
		data = data[:r.IntN(len(data)+1)]
	case 2:
		if r.chance(30) {
			data = r.flipped(data, 0)
		}
	}
	return reading{table, kind, data}
}

// flipped changes some bytes from a place on.
func (r random) flipped(data []byte, from int) []byte {
	data = bytes.Clone(data)
	for range 1 + r.IntN(3) {
		data[from+r.IntN(len(data)-from)] = byte(r.Uint32())
	}
	return data
}

// plainNames gives columns names that Avro takes.
func plainNames(table *etl.Table) {
	names := map[string]string{}
	for i := range table.Columns {
		names[table.Columns[i].Name] = fmt.Sprint("c", i)
		table.Columns[i].Name, table.Columns[i].Format, table.Columns[i].Zone = fmt.Sprint("c", i), "", ""
	}
	for _, list := range [][]string{table.Key, table.OrderBy} {
		for i := range list {
			list[i] = names[list[i]]
		}
	}
	for i := range table.OldKey {
		table.OldKey[i] = "old_" + table.Key[i]
	}
}

// avroMaker writes one file.
type avroMaker struct {
	random
	t      *testing.T
	table  etl.Table
	kind   etl.LoadKind
	events bool
	nasty  int
}

// avroField is a field with its type as the file tells it and as it is written.
type avroField struct {
	name       string
	told, wire any
	value      func() any
}

func (a avroMaker) file() []byte {
	var cols etl.Columns
	for _, c := range a.fileColumns(a.table, a.events || a.chance(85)) {
		if !strings.HasPrefix(c.Name, "__") {
			cols = append(cols, c)
		}
	}
	fields := []avroField{}
	for _, c := range cols {
		fields = append(fields, a.column(c))
	}
	for range a.IntN(3) {
		fields = append(fields, a.extra(len(fields)))
	}
	value := func() any { return record(fields) }
	told, wire := recordOf("Value", "shop.v", fields, true), recordOf("Value", "shop.v", fields, false)
	if a.events {
		told, wire, value = a.envelope(told, wire, value)
	}
	var b bytes.Buffer
	schema, err := avro.Parse(text(a.t, wire))
	require.NoError(a.t, err)
	zstd, err := ocf.ZstdCodec(nil, nil)
	require.NoError(a.t, err)
	w, err := ocf.NewWriter(&b, schema, ocf.WithSchema(text(a.t, told)), ocf.WithBlockCount(pick(a.random, 1, 3, 20, 1000)),
		ocf.WithCodec(pick(a.random, ocf.DeflateCodec(6), ocf.SnappyCodec(), zstd, nil)))
	require.NoError(a.t, err)
	for range a.rows() {
		require.NoError(a.t, w.Encode(value()))
	}
	require.NoError(a.t, w.Close())
	return b.Bytes()
}

func text(t *testing.T, v any) string {
	out, err := json.Marshal(v)
	require.NoError(t, err)
	return string(out)
}

func record(fields []avroField) map[string]any {
	out := map[string]any{}
	for _, f := range fields {
		out[f.name] = f.value()
	}
	return out
}

func recordOf(name, namespace string, fields []avroField, told bool) any {
	list := []any{}
	for _, f := range fields {
		kind := f.wire
		if told {
			kind = f.told
		}
		list = append(list, map[string]any{"name": f.name, "type": kind})
	}
	return map[string]any{"type": "record", "name": name, "namespace": namespace, "fields": list}
}

// envelope puts rows into change events.
func (a avroMaker) envelope(told, wire any, row func() any) (any, any, func() any) {
	source := []any{map[string]any{"name": "lsn", "type": []any{"null", "long"}}, map[string]any{"name": "file", "type": pick[any](a.random, "string", "int")}}
	parts := func(value any) []any {
		list := []any{
			map[string]any{"name": "before", "type": []any{"null", value}, "default": nil},
			map[string]any{"name": "after", "type": []any{"null", pick(a.random, "Value", "shop.v.Value")}},
			map[string]any{"name": "source", "type": map[string]any{"type": "record", "name": "Source", "fields": source}},
			map[string]any{"name": "op", "type": "string"},
			map[string]any{"name": "ts_ms", "type": []any{"null", "long"}},
		}
		if a.chance(5) {
			list[2] = map[string]any{"name": "origin", "type": "null"}
		}
		return list
	}
	state := *a.Rand // both schemas alike
	envelope := func(value any) any {
		*a.Rand = state
		return map[string]any{"type": "record", "name": "Envelope", "namespace": "shop.v", "fields": parts(value)}
	}
	told, wire = envelope(told), envelope(wire)
	file := func() any {
		if source[1].(map[string]any)["type"] == "int" {
			return a.IntN(100)
		}
		return "bin.1"
	}
	return told, wire, func() any {
		op := pick(a.random, "c", "u", "u", "d", "r")
		if a.kind == etl.Full {
			op = "r"
		}
		if a.chance(a.nasty) {
			op = pick(a.random, "x", "", "t")
		}
		before, after := row(), row()
		switch {
		case op == "d":
			after = nil
		case a.chance(50):
			before = nil
		}
		if a.chance(a.nasty) && a.chance(20) {
			before, after = nil, nil
		}
		return map[string]any{"before": before, "after": after, "op": op, "ts_ms": pick[any](a.random, nil, int64(7)), "origin": nil,
			"source": map[string]any{"lsn": pick[any](a.random, nil, a.Int64N(1<<40), int64(1)), "file": file()}}
	}
}
