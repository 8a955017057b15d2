package differential

import (
	"bytes"
	"encoding/json"
	"strconv"
	"strings"

	"github.com/stretchr/testify/require"
	"github.com/twmb/avro"
	"github.com/twmb/avro/ocf"

	etl "github.com/tidemark-data/etl"
	"github.com/tidemark-data/etl/format/avroformat"
)

// avro writes rows, or change events, as object container files.
func (p *producer) avro() {
	events := p.IntN(2) == 0
	p.table.Format = avroformat.Format{Events: events}
	if p.table.Op = (etl.OpColumn{Column: "Op", Codes: map[string]etl.Op{"I": etl.Upsert, "U": etl.Upsert, "D": etl.Delete}}); events {
		p.renamed()
	}
	var fields []any
	for _, name := range p.h.FullColumns {
		fields = append(fields, p.field(name, name))
	}
	row := map[string]any{"type": "record", "name": "orders", "namespace": "shop", "fields": fields}
	if events {
		row = map[string]any{"type": "record", "name": "event", "fields": []any{
			map[string]any{"name": "op", "type": "string"}, map[string]any{"name": "before", "type": []any{"null", row}}, map[string]any{"name": "after", "type": []any{"null", "shop.orders"}},
		}}
	} else {
		for _, name := range p.h.ChangeColumns[:len(p.h.ChangeColumns)-len(p.h.FullColumns)] {
			row["fields"] = append(row["fields"].([]any), p.field(name, strings.TrimPrefix(name, "BI_")))
		}
	}
	text, err := json.Marshal(row)
	require.NoError(p.t, err)
	schema, err := avro.Parse(string(text))
	require.NoError(p.t, err)
	p.write = func(rows []map[string]string, kind etl.LoadKind) []byte {
		var b bytes.Buffer
		w, err := ocf.NewWriter(&b, schema, ocf.WithBlockCount(1+p.IntN(4)), ocf.WithCodec([]ocf.Codec{nil, ocf.SnappyCodec(), ocf.DeflateCodec(6)}[p.IntN(3)]))
		require.NoError(p.t, err)
		for _, row := range rows {
			record := p.typed(row)
			if events {
				op, before, after := p.images(row, kind)
				record = map[string]any{"op": op, "before": p.typed(before), "after": p.typed(after)}
			}
			require.NoError(p.t, w.Encode(record))
		}
		require.NoError(p.t, w.Close())
		return b.Bytes()
	}
}

// field is a field of the type of a column; the operation is text.
func (p *producer) field(name, column string) any {
	kind := any("string")
	if i := p.table.Columns.Index(column); i >= 0 {
		switch p.table.Columns[i].Type {
		case etl.Long:
			kind = "long"
		case etl.Int:
			kind = "int"
		case etl.Timestamp:
			kind = map[string]any{"type": "long", "logicalType": "local-timestamp-micros"}
		}
	}
	return map[string]any{"name": name, "type": []any{"null", kind}}
}

// typed is a row with the values that its fields have.
func (p *producer) typed(row map[string]string) any {
	if row == nil {
		return nil
	}
	out := map[string]any{}
	for _, name := range p.h.ChangeColumns {
		text, ok := row[name]
		i := p.table.Columns.Index(strings.TrimPrefix(name, "BI_"))
		switch {
		case !ok:
			out[name] = nil
		case i < 0 || p.table.Columns[i].Type == etl.String:
			out[name] = text
		case p.table.Columns[i].Type == etl.Timestamp:
			out[name] = p.micros(text)
		default:
			n, err := strconv.ParseInt(text, 10, 64)
			require.NoError(p.t, err)
			out[name] = n
		}
	}
	return out
}
