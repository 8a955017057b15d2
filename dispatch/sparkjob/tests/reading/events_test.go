//go:build spark

package reading

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math/big"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/tidemark-data/etl"
	"github.com/tidemark-data/etl/format"
)

func TestReadingEvents(t *testing.T) { readShare(t, 500, random.events, 25) }

// events makes files of Debezium's change events.
func (r random) events(t *testing.T) reading {
	table, kind := r.table(t)
	table.Op = format.Debezium{}.Op()
	for i, key := range table.Key {
		if table.OldKey != nil {
			table.OldKey[i] = "__before_" + key
		}
	}
	ownColumns(r, &table)
	d := format.Debezium{
		Missing: pick(r, format.MissingIsBad, format.MissingIsNull, format.MissingIsUnsupplied), Unavailable: r.chance(60), DecimalText: r.chance(40),
		Unit: pick(r, "", format.Millis, format.Micros, format.Nanos), MaxRowBytes: pick(r, 0, 0, 0, 0, 4000),
	}
	if r.chance(30) {
		d.Units = map[string]format.TimeUnit{pick(r, table.Columns...).Name: pick(r, format.Millis, format.Micros, format.Nanos)}
	}
	table.Format = d
	e := eventMaker{random: r, table: table, format: d, kind: kind, whole: r.chance(70), nasty: pick(r, 0, 0, 0, 0, 0, 0, 1, 4)}
	if r.chance(50) {
		e.schema = e.connectSchema()
	}
	var b bytes.Buffer
	b.WriteString(pick(r, "", "", "", "\xef\xbb\xbf"))
	for range r.rows() {
		e.event(&b)
	}
	data := b.Bytes()
	if r.chance(12) {
		data = r.damage(data, "{}[]\",:\\\n\r en.0-\xff")
	}
	return reading{table, kind, r.packed(data)}
}

// ownColumns declares columns of the event's own.
func ownColumns(r random, table *etl.Table) {
	for _, c := range []etl.Column{
		{Name: "__source_lsn", Type: etl.Long}, {Name: "__source_file", Type: etl.String}, {Name: "__ts_ms", Type: etl.Long}, {Name: "__op", Type: etl.String},
		{Name: "__before_" + table.Columns[1].Name, Type: table.Columns[1].Type, Format: table.Columns[1].Format, Zone: table.Columns[1].Zone},
	} {
		if !r.chance(20) {
			continue
		}
		table.Columns = append(table.Columns, c)
		if r.chance(40) {
			table.OrderBy = append(table.OrderBy, c.Name)
		}
	}
}

// eventMaker writes events of one file.
type eventMaker struct {
	random
	table  etl.Table
	format format.Debezium
	kind   etl.LoadKind
	schema string
	whole  bool // rows have all columns
	nasty  int
}

func (e eventMaker) event(b *bytes.Buffer) {
	switch {
	case e.chance(3):
		b.WriteString(pick(e.random, "null\n", "\n", " null \r\n", `{"schema":null,"payload":null}`+"\n", `{"payload": null } `+"\n", "\u00a0\n", "\u2003null\n", `{"payload":{"payload":null}}`+"\n", `{"payload":{}}`+"\n"))
		if e.nasty > 0 || e.chance(90) {
			return
		}
	case e.chance(e.nasty) && e.chance(20):
		b.WriteString(pick(e.random, "{}\n", "[]\n", "1\n", `{"op":"t"}`+"\n", `{"op":"c","after":[]}`+"\n", `{"payload":[]}`+"\n", `{"schema":5,"payload":{"op":"r","after":null}}`+"\n"))
		return
	}
	op := pick(e.random, "c", "u", "u", "d", "r")
	if e.kind == etl.Full {
		op = "r"
	}
	parts := []string{`"op":` + e.text(op, pick(e.random, `"x"`, `""`, "null", "5", `"t"`))}
	before, after, source := e.row(), e.row(), e.source()
	switch {
	case op == "d":
		after = "null"
	case e.chance(50):
		before = "null"
	}
	parts = append(parts, `"before":`+e.text(raw(before), "[]", "null", `"x"`), `"after":`+e.text(raw(after), "[]", "null", "1"))
	parts = append(parts, `"source":`+e.text(raw(source), "[]", "null", "7"))
	if e.whole || e.chance(80) {
		parts = append(parts, `"ts_ms":`+e.text(raw(strconv.Itoa(int(e.Uint32()))), "null", `"1"`, "1.5"))
	}
	e.Shuffle(len(parts), func(i, j int) { parts[i], parts[j] = parts[j], parts[i] })
	line := "{" + strings.Join(parts, pick(e.random, ",", ", ")) + "}"
	if e.schema != "" && e.chance(95) {
		line = fmt.Sprintf(`{"schema":%s,"payload":%s}`, e.text(raw(e.schema), `{"fields":[{"field":"after","fields":{}}]}`, "[]", `{"Fields":[{"FIELD":"after","fields":[null]}]}`), line)
	}
	b.WriteString(line + pick(e.random, "\n", "\n", "\r\n", " \n"))
}

// raw is text that is JSON as it stands.
type raw string

// text is a value as JSON, seldom another one.
func (e eventMaker) text(v any, others ...string) string {
	if e.chance(e.nasty) && e.chance(20) {
		return pick(e.random, others...)
	}
	if r, ok := v.(raw); ok {
		return string(r)
	}
	text, _ := json.Marshal(v)
	return string(text)
}

func (e eventMaker) source() string {
	lsn := strconv.FormatInt(e.Int64N(1<<40), 10)
	return fmt.Sprintf(`{"lsn":%s,"file":%s,"x":null}`, e.text(raw(lsn), "null", `"7"`, "{}"), e.text(raw(pick(e.random, `"bin.1"`, "17", "null", "true")), "[1]"))
}

// row is the image of a row as JSON.
func (e eventMaker) row() string {
	var cols etl.Columns
	for _, c := range e.table.Columns {
		if !strings.HasPrefix(c.Name, "__") && (slices.Contains(e.table.Key, c.Name) || e.whole || e.chance(90)) {
			cols = append(cols, c)
		}
	}
	if e.chance(10) {
		e.Shuffle(len(cols), func(i, j int) { cols[i], cols[j] = cols[j], cols[i] })
	}
	var parts []string
	for i, v := range e.values(e.table, cols, e.nasty) {
		name, _ := json.Marshal(cols[i].Name)
		parts = append(parts, string(name)+":"+e.value(cols[i], v))
	}
	if e.chance(e.nasty) && e.chance(20) {
		parts = append(parts, parts[0])
	}
	return "{" + strings.Join(parts, ",") + "}"
}

// value is one of the ways in which Debezium writes values of a column's type.
func (e eventMaker) value(c etl.Column, v string) string {
	key := slices.Contains(e.table.Key, c.Name)
	if !key && e.format.Unavailable && e.kind != etl.Full && e.chance(3) || e.chance(e.nasty) && e.chance(20) {
		return pick(e.random, `"__debezium_unavailable_value"`, `"X19kZWJleml1bV91bmF2YWlsYWJsZV92YWx1ZQ=="`)
	}
	if _, scale, ok := c.Type.DecimalSize(); ok && e.chance(60) {
		return e.decimal(scale)
	}
	if known := e.format.Unit != "" || e.schema != ""; c.Format == "" && e.chance(60) && (known || e.chance(e.nasty)) {
		switch c.Type {
		case etl.Date:
			return e.text(raw(strconv.Itoa(e.IntN(60000)-30000)), "100000001", "2932897", "-719163", "1.0", "true", "99999999999999999999")
		case etl.Timestamp, etl.TimestampTZ:
			return e.moment()
		}
	}
	return e.jsonValue(c, v, e.nasty)
}

func (e eventMaker) moment() string {
	n := e.Int64N(4e9) - 2e9
	switch {
	case e.chance(e.nasty):
		return pick(e.random, "9223372036854775807", "-9223372036854775808", "9223372036854775808", "-62135596800000", "-62135596800001", "253402300799999", "253402300800000", "1e3", "-1", "-1500")
	case e.format.Unit == format.Millis:
		n = n*1000 + e.Int64N(1000)
	case e.format.Unit == format.Nanos:
		n = n*1e9 + e.Int64N(1e9)
	default:
		n = n*1e6 + e.Int64N(1e6)
	}
	return strconv.FormatInt(n, 10)
}

func (e eventMaker) decimal(scale int) string {
	n := big.NewInt(e.Int64N(2e9) - 1e9)
	digits := n.Bytes()
	if n.Sign() < 0 {
		digits = new(big.Int).Add(new(big.Int).Lsh(big.NewInt(1), 40), n).Bytes()
	} else {
		digits = append([]byte{0}, digits...)
	}
	text := base64.StdEncoding.EncodeToString(digits)
	switch {
	case e.chance(e.nasty):
		return pick(e.random, `""`, `"AA"`, `"A\nA=="`, `"AP8="`, `{"scale":1}`, `{"value":"AQ==","scale":1.0}`, `{"value":"AQ==","scale":-77}`, `{"VALUE":"AQ==","Scale":2}`,
			`{"scale":0,"value":[1,255]}`, `{"scale":0,"value":[1,256]}`, `{"scale":null,"value":null}`, "[]", "12.5", `"12.50"`, "true", `"`+strings.Repeat("AAAA", 11)+`"`)
	case e.chance(50):
		return `"` + text + `"`
	}
	return fmt.Sprintf(`{"scale":%d,"value":"%s"}`, e.IntN(scale+1), text)
}

// connectSchema is what events say of the types of their columns.
func (e eventMaker) connectSchema() string {
	var fields []string
	for _, c := range e.table.Columns {
		name, _ := json.Marshal(c.Name)
		semantic := ""
		if _, scale, ok := c.Type.DecimalSize(); ok {
			semantic = fmt.Sprintf(`,"name":"org.apache.kafka.connect.data.Decimal","parameters":{"scale":"%s"}`, e.text(raw(strconv.Itoa(scale)), "x", "", "+1", "99"))
		}
		if c.Type == etl.Timestamp || c.Type == etl.TimestampTZ {
			semantic = `,"name":"` + pick(e.random, "io.debezium.time.Timestamp", "io.debezium.time.MicroTimestamp", "io.debezium.time.NanoTimestamp",
				"org.apache.kafka.connect.data.Timestamp", "io.debezium.time.Timestamp") + `"`
		}
		fields = append(fields, fmt.Sprintf(`{"type":"x","optional":true,"field":%s%s}`, name, e.text(raw(semantic), "", `,"name":"io.debezium.time.ZonedTimestamp"`)))
	}
	return fmt.Sprintf(`{"type":"struct","fields":[{"field":"before"},{"type":"struct","fields":[%s],"field":"after","name":"v"}]}`, strings.Join(fields, ","))
}
