//go:build spark

package reading

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/tidemark-data/etl"
	"github.com/tidemark-data/etl/format/avroformat"
)

// column is a field that holds a column of the table, seldom one that does not.
func (a avroMaker) column(c etl.Column) avroField {
	f := a.typed(c)
	f.name = c.Name
	key := c.Required
	if c.Name == a.table.Op.Column {
		f = avroField{c.Name, "string", "string", func() any { return pick(a.random, "I", "U", "D", "DEL") }}
	}
	if placeholder := a.placeholder(f, key); placeholder != nil {
		value := f.value
		f.value = func() any {
			if a.chance(3) {
				return placeholder
			}
			return value()
		}
	}
	if _, union := f.wire.([]any); union || f.wire == "null" || key && a.chance(50) {
		return f
	}
	value := f.value
	null := 10
	if key || c.Name == a.table.Op.Column {
		null = a.nasty / 2
	}
	f.value = func() any {
		if a.chance(null) {
			return nil
		}
		return value()
	}
	if a.chance(80) {
		f.told, f.wire = []any{"null", f.told}, []any{"null", f.wire}
	} else {
		f.told, f.wire = []any{f.told, "null"}, []any{f.wire, "null"}
	}
	return f
}

func (a avroMaker) placeholder(f avroField, key bool) any {
	switch {
	case !a.events || key || !a.table.Format.(avroformat.Format).Unavailable && a.nasty == 0:
	case f.wire == "string":
		return "__debezium_unavailable_value"
	case f.wire == "bytes":
		return []byte("__debezium_unavailable_value")
	}
	return nil
}

func logical(base, name string) map[string]any {
	return map[string]any{"type": base, "logicalType": name}
}

func connect(base, name string) map[string]any {
	return map[string]any{"type": base, "connect.name": name}
}

func (a avroMaker) typed(c etl.Column) avroField {
	simple := func(kind string, value func() any) avroField { return avroField{"", kind, kind, value} }
	if a.chance(a.nasty) && a.chance(10) {
		return a.other()
	}
	if precision, scale, ok := c.Type.DecimalSize(); ok {
		return a.decimal(precision, scale)
	}
	switch c.Type {
	case etl.Bool:
		return simple("boolean", func() any { return a.chance(50) })
	case etl.Int:
		return simple("int", func() any { return int32(a.Uint32()) >> a.IntN(32) })
	case etl.Long:
		return pick(a.random, simple("int", func() any { return int32(a.Uint32()) }), simple("long", func() any { return int64(a.Uint64()) >> a.IntN(64) }))
	case etl.Float:
		return simple("float", func() any { return a.Float32() })
	case etl.Double:
		return pick(a.random, simple("float", func() any { return a.Float32() }), simple("double", func() any { return a.NormFloat64() }))
	case etl.Date:
		return avroField{"", pick[any](a.random, logical("int", "date"), connect("int", "io.debezium.time.Date")), "int", func() any { return int32(a.Uint32()) >> a.IntN(16) }}
	case etl.Timestamp, etl.TimestampTZ:
		return a.timestamp(c.Type)
	case etl.String:
		return a.string()
	case etl.Binary:
		return simple("bytes", func() any { return a.octets(a.IntN(9)) })
	}
	if a.chance(50) {
		name := fmt.Sprint("U", a.IntN(1<<30))
		return avroField{"", map[string]any{"type": "fixed", "name": name, "size": 16}, map[string]any{"type": "fixed", "name": name, "size": 16}, func() any { return a.octets(16) }}
	}
	return avroField{"", logical("string", "uuid"), "string", func() any {
		if a.chance(a.nasty) {
			return pick(a.random, "x", "f47ac10b58cc4372a5670e02b2c3d479", "f47ac10b-58cc-4372-a567-0e02b2c3d47g")
		}
		return fmt.Sprintf("f47ac10b-58CC-4372-a567-%012x", a.IntN(1<<30))
	}}
}

func (a avroMaker) octets(n int) []byte {
	out := make([]byte, n)
	for i := range out {
		out[i] = byte(a.Uint32())
	}
	return out
}

func (a avroMaker) string() avroField {
	if a.chance(25) {
		e := map[string]any{"type": "enum", "name": fmt.Sprint("E", a.IntN(1<<30)), "symbols": []string{"RED", "BLUE"}, "default": "RED"}
		return avroField{"", e, e, func() any { return pick(a.random, "RED", "BLUE") }}
	}
	return avroField{"", "string", "string", func() any {
		if a.chance(a.nasty) {
			return pick(a.random, "\xff", "a\xc3", "\xed\xa0\x80")
		}
		return pick(a.random, "a", "", "Ärger", "日本", strings.Repeat("z", a.IntN(40)))
	}}
}

func (a avroMaker) timestamp(t etl.Type) avroField {
	f := avroField{wire: "long"}
	prefix, unit := "", pick(a.random, "millis", "micros", "nanos")
	if t == etl.Timestamp {
		prefix = "local-"
	}
	f.told = logical("long", prefix+"timestamp-"+unit)
	if a.table.Format.(avroformat.Format).AnyZone && a.chance(30) {
		f.told = logical("long", "timestamp-"+unit)
	}
	switch a.IntN(10) {
	case 0:
		unit, f.told = "millis", logical("long", "timestamp-millis")
		f.told.(map[string]any)["connect.name"] = pick(a.random, "org.apache.kafka.connect.data.Timestamp", "io.debezium.time.Timestamp")
	case 1:
		unit, f.told = "micros", connect("long", "io.debezium.time.MicroTimestamp")
	case 2:
		if t == etl.TimestampTZ {
			f.told, f.wire = connect("string", "io.debezium.time.ZonedTimestamp"), "string"
			f.value = a.zoned
			return f
		}
	}
	f.value = func() any {
		n := a.Int64N(1<<53) - 1<<52
		switch {
		case a.chance(a.nasty):
			return int64(a.Uint64())
		case unit == "nanos":
			return n * 1000
		case unit == "millis":
			return n / 1000
		}
		return n
	}
	return f
}

func (a avroMaker) zoned() any {
	if a.chance(a.nasty) {
		return pick(a.random, "", "2024-02-20T11:08:25", "2024-02-30T11:08:25Z", "2024-02-20T11:08:25.123456789Z", "2024-02-20T1:08:25,5Z", "2024-02-20T11:08:25+24:00", "\xff")
	}
	at := time.Unix(a.Int64N(4e9), 1000*a.Int64N(1e6)).In(time.FixedZone("", a.IntN(28*4)*900-14*3600))
	return at.Format(time.RFC3339Nano)
}

func (a avroMaker) decimal(precision, scale int) avroField {
	s := a.IntN(scale + 1)
	p := 1 + s + a.IntN(precision-scale)
	size := 16
	told := map[string]any{"type": "bytes", "logicalType": "decimal", "precision": p, "scale": s}
	var wire any = "bytes"
	if fixed := a.chance(30); fixed {
		name := fmt.Sprint("D", a.IntN(1<<30))
		told["type"], told["name"], told["size"] = "fixed", name, size
		wire = map[string]any{"type": "fixed", "name": name, "size": size}
	}
	return avroField{"", told, wire, func() any {
		n := a.Int64N(max(1, pow10(min(p, 18))-1))
		out := make([]byte, size)
		if a.chance(50) {
			n = -n
			for i := range out {
				out[i] = 0xff
			}
		}
		for i := range 8 {
			out[size-1-i] = byte(n >> (8 * i))
		}
		if a.chance(a.nasty) {
			copy(out, a.octets(size))
		}
		if told["type"] == "bytes" && !a.chance(a.nasty) {
			out = out[a.IntN(size-8):]
		} else if told["type"] == "bytes" {
			out = out[a.IntN(size+1):]
		}
		return out
	}}
}

func pow10(n int) int64 {
	out := int64(1)
	for range n {
		out *= 10
	}
	return out
}

// other is a field that holds few columns.
func (a avroMaker) other() avroField {
	return pick(a.random,
		avroField{"", logical("int", "time-millis"), "int", func() any { return int32(5) }},
		avroField{"", logical("long", "date"), "long", func() any { return int64(5) }},
		avroField{"", logical("bytes", "uuid"), "bytes", func() any { return a.octets(15 + a.IntN(3)) }},
		avroField{"", logical("int", "decimal"), "int", func() any { return int32(5) }},
		avroField{"", "double", "double", func() any { return 0.5 }},
		avroField{"", []any{"int", "string"}, []any{"int", "string"}, func() any { return "x" }},
		avroField{"", logical("string", "what"), "string", func() any { return "x" }},
		avroField{"", "null", "null", func() any { return nil }},
	)
}

// extra is a field that no column wants.
func (a avroMaker) extra(n int) avroField {
	name := fmt.Sprint("x", n)
	fixed := map[string]any{"type": "fixed", "name": name + "f", "size": pick(a.random, 0, 3, 12)}
	size := fixed["size"].(int)
	list := map[string]any{"type": "array", "items": []any{"null", "long", "string"}}
	tree := map[string]any{"type": "record", "name": name + "tree", "aliases": []string{"old"}, "fields": []any{
		map[string]any{"name": "v", "type": "long", "default": 5, "order": "ignore"}, map[string]any{"name": "next", "type": []any{"null", name + "tree"}, "default": nil},
	}}
	return pick(a.random,
		avroField{name, list, list, func() any {
			return pick(a.random, []any{}, []any{nil, int64(5), "x"}, slices.Repeat([]any{int64(1)}, 30))
		}},
		avroField{name, map[string]any{"type": "map", "values": "double"}, map[string]any{"type": "map", "values": "double"}, func() any { return map[string]any{"a": 0.5} }},
		avroField{name, fixed, fixed, func() any { return a.octets(size) }},
		avroField{name, tree, tree, func() any {
			return map[string]any{"v": int64(1), "next": map[string]any{"v": int64(2), "next": nil}}
		}},
		avroField{name, map[string]any{"type": "array", "items": "null"}, map[string]any{"type": "array", "items": "null"}, func() any { return []any{nil, nil} }},
	)
}
