package format

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"math/big"
	"strconv"
	"time"

	etl "github.com/tidemark-data/etl"
)

// eventTypes are the semantic types that the schema of an event gives to the
// columns of its row (Debezium reference, "Data type mappings"). Events of a file
// mostly have the same schema, which is read once.
type eventTypes struct {
	text    []byte
	columns map[string]semantic
	learnt  int // how often there was another schema
}

type semantic struct {
	name  string
	scale int
	// kind is the type of Connect itself, precision that of a decimal, if it is known.
	kind, precision string
}

type connectSchema struct {
	Field      string            `json:"field"`
	Type       any               `json:"type"`
	Name       string            `json:"name"`
	Parameters map[string]string `json:"parameters"`
	Fields     []connectSchema   `json:"fields"`
}

var errSchema = errors.New("not a schema")

func (t *eventTypes) learn(schema []byte) error {
	if bytes.Equal(schema, t.text) {
		return nil
	}
	t.text, t.columns = bytes.Clone(schema), map[string]semantic{}
	t.learnt++
	if schema == nil {
		return nil
	}
	err := t.read(schema)
	if err != nil {
		t.text, t.columns = nil, nil // the next event of that schema is as bad
	}
	return err
}

func (t *eventTypes) read(schema []byte) error {
	var s connectSchema
	if err := json.Unmarshal(schema, &s); err != nil {
		return errSchema // encoding/json quotes the input
	}
	for _, part := range s.Fields {
		if part.Field != "after" && part.Field != "before" {
			continue
		}
		for _, f := range part.Fields {
			scale, err := strconv.Atoi(f.Parameters["scale"])
			if err != nil && f.Parameters["scale"] != "" {
				return errSchema
			}
			kind, _ := f.Type.(string)
			t.columns[f.Field] = semantic{f.Name, scale, kind, f.Parameters["connect.decimal.precision"]}
		}
	}
	return nil
}

// unit is what numbers of a semantic type count; empty if it does not say.
func (s semantic) unit() TimeUnit {
	switch s.name {
	case "io.debezium.time.Timestamp", "org.apache.kafka.connect.data.Timestamp":
		return Millis
	case "io.debezium.time.MicroTimestamp":
		return Micros
	case "io.debezium.time.NanoTimestamp":
		return Nanos
	}
	return ""
}

// convert appends a value of the row.
func (e *eventScan) convert(i int, name []byte, v jsonValue) (rule string) {
	col := e.req.Columns[i]
	if v.kind == jsonString && (string(v.text) == unavailable || string(v.text) == unavailableBytes) {
		if !e.format.Unavailable || e.req.Kind == etl.Full {
			return "value is unavailable: the database did not log it"
		}
		e.unsupply(i)
		e.columns[i].builder.AppendNull()
		return ""
	}
	if _, scale, ok := col.Type.DecimalSize(); ok {
		return e.decimal(i, e.types.columns[string(name)], scale, v)
	}
	if v.kind == jsonLiteral {
		switch col.Type {
		case etl.Date:
			return e.moment(i, v.text, "")
		case etl.Timestamp, etl.TimestampTZ:
			unit := e.types.columns[string(name)].unit()
			if unit == "" {
				unit = e.format.Unit
			}
			if u, ok := e.format.Units[string(name)]; ok {
				unit = u
			}
			if unit == "" {
				return "number stands for a moment, and neither a schema nor the format's declaration says in which unit"
			}
			return e.moment(i, v.text, unit)
		}
	}
	return e.value(i, v)
}

// moment appends a number of days, or of units, since 1970.
func (e *eventScan) moment(i int, number []byte, unit TimeUnit) string {
	col := e.req.Columns[i]
	n, err := strconv.ParseInt(string(number), 10, 64)
	if err != nil {
		return "not a " + col.Type.String()
	}
	var t time.Time
	switch unit {
	case Millis:
		t = time.UnixMilli(n)
	case Micros:
		t = time.UnixMicro(n)
	case Nanos:
		t = time.Unix(0, n-n%1000) // microseconds are what columns hold
	default:
		if n > 1e8 || n < -1e8 {
			return "not a " + col.Type.String()
		}
		t = time.Unix(n*86400, 0)
	}
	if t = t.UTC(); t.Year() < 1 || t.Year() > 9999 {
		return "not a " + col.Type.String()
	}
	if col.Format != "" {
		return "number where the column's format wants text"
	}
	e.buf = t.AppendFormat(e.buf[:0], momentLayouts[col.Type])
	return e.columns[i].builder.Append(e.buf)
}

var momentLayouts = map[etl.Type]string{
	etl.Date: time.DateOnly, etl.Timestamp: "2006-01-02T15:04:05.999999", etl.TimestampTZ: "2006-01-02T15:04:05.999999Z07:00",
}

// variableDecimal is io.debezium.data.VariableScaleDecimal.
type variableDecimal struct {
	Scale int    `json:"scale"`
	Value []byte `json:"value"`
}

// decimal appends a decimal: a number, text, or the bytes of its digits.
func (e *eventScan) decimal(i int, s semantic, scale int, v jsonValue) string {
	not := "not a " + e.req.Columns[i].Type.String()
	switch {
	case v.kind == jsonNested:
		var d variableDecimal
		if json.Unmarshal(v.text, &d) != nil {
			return not
		}
		return e.unscaled(i, d.Value, d.Scale)
	case v.kind != jsonString, s.name == "" && (e.format.DecimalText || len(e.types.columns) > 0):
		return e.value(i, v)
	}
	digits, err := base64.StdEncoding.AppendDecode(nil, v.text)
	if err != nil {
		return not
	}
	if s.name != "" {
		scale = s.scale
	}
	return e.unscaled(i, digits, scale)
}

// unscaled appends a big-endian two's complement number of which scale digits
// stand behind the point.
func (e *eventScan) unscaled(i int, digits []byte, scale int) string {
	if len(digits) == 0 || len(digits) > 32 || scale < -76 || scale > 76 {
		return "not a " + e.req.Columns[i].Type.String()
	}
	n := new(big.Int).SetBytes(digits)
	if digits[0] >= 0x80 {
		n.Sub(n, new(big.Int).Lsh(big.NewInt(1), uint(8*len(digits))))
	}
	e.buf = append(n.Append(e.buf[:0], 10), 'E')
	e.buf = strconv.AppendInt(e.buf, -int64(scale), 10)
	return e.columns[i].builder.Append(e.buf)
}
