package format

import (
	"bytes"
	"context"
	"iter"
	"strings"

	etl "github.com/tidemark-data/etl"
)

// Debezium is the format of Debezium's change events as JSON, one to a line, with
// or without their schemas (Debezium reference, "Change events"). A record holds
// the row after the change, or before it where it was deleted. Tombstones (null)
// are no records.
//
// Besides the row's columns there are some of the event's own: "__op" is the
// operation ([Debezium.Op]), "__ts_ms" when the connector saw it, "__source_x"
// member x of the source block, as lsn or pos, which serve as ordering columns, and
// "__before_x" column x of the row before an update, which serve as before-image
// columns of the key.
//
// The names are those that Debezium's "New Record State Extraction" gives to such
// fields. Files of rows that it has flattened are [JSONLines].
type Debezium struct {
	// Missing says what it means that a row lacks a wanted column.
	Missing Missing
	// Unavailable lets values that the database did not log (unchanged TOAST
	// columns of PostgreSQL) be unsupplied. Otherwise they are bad input.
	Unavailable bool
	// Unit is what numbers in timestamp columns count, where events carry no
	// schema that tells; Units is that of single columns. Numbers in date columns
	// are days.
	Unit  TimeUnit
	Units map[string]TimeUnit
	// DecimalText is set where decimals are written as text, not as the base64 of
	// their bytes (decimal.handling.mode), and events carry no schema that tells.
	DecimalText bool
	// MaxRowBytes, MaxDecompressedBytes and MaxRatio are those of [JSONLines].
	MaxRowBytes          int
	MaxDecompressedBytes int64
	MaxRatio             int64
}

// TimeUnit is what a number that stands for a moment counts, since 1970.
type TimeUnit string

// The units of Debezium's time.precision.mode.
const (
	Millis TimeUnit = "millis"
	Micros TimeUnit = "micros"
	Nanos  TimeUnit = "nanos"
)

// unavailable is Debezium's unavailable.value.placeholder, as text and as bytes.
const (
	unavailable      = "__debezium_unavailable_value"
	unavailableBytes = "X19kZWJleml1bV91bmF2YWlsYWJsZV92YWx1ZQ=="
)

var _ etl.OpFormat = Debezium{}

// Op implements [etl.OpFormat].
func (Debezium) Op() etl.OpColumn {
	return etl.OpColumn{Column: "__op", Codes: map[string]etl.Op{"c": etl.Upsert, "r": etl.Upsert, "u": etl.Upsert, "d": etl.Delete}}
}

// Partial implements [etl.Format].
func (d Debezium) Partial(kind etl.LoadKind) bool {
	return kind != etl.Full && (d.Unavailable || d.Missing == MissingIsUnsupplied)
}

// Scan implements [etl.Format].
func (d Debezium) Scan(ctx context.Context, in etl.Input, req etl.ScanRequest) iter.Seq2[etl.Rows, error] {
	return func(yield func(etl.Rows, error) bool) {
		s, err := newJSONScan(d.lines(), req)
		if err != nil {
			yield(etl.Rows{}, configError(err))
			return
		}
		e := newEventScan(d, s)
		s.members, s.blank = e.members, e.blank
		s.scan(ctx, in, yield)
	}
}

func (d Debezium) lines() JSONLines {
	return JSONLines{Missing: d.Missing, MaxRowBytes: d.MaxRowBytes, MaxDecompressedBytes: d.MaxDecompressedBytes, MaxRatio: d.MaxRatio}
}

// eventScan reads the envelopes.
type eventScan struct {
	*jsonScan
	format Debezium
	event  event
	// columns wanted of the row, of the row before, of the source block
	row, before, source map[string]int
	opAt, seenAt        int // "__op" and "__ts_ms"; -1 is not wanted
	types               eventTypes
	buf                 []byte
}

// event is an envelope.
type event struct {
	op, seen              []byte
	schema, payload       []byte
	before, after, source []byte
	isNull                bool // a tombstone that carries a schema
}

func newEventScan(d Debezium, s *jsonScan) *eventScan {
	e := &eventScan{jsonScan: s, format: d, row: map[string]int{}, before: map[string]int{}, source: map[string]int{}, opAt: -1, seenAt: -1}
	for i, col := range s.req.Columns {
		if s.columns[i].twin >= 0 {
			continue
		}
		before, inBefore := strings.CutPrefix(col.Name, "__before_")
		source, inSource := strings.CutPrefix(col.Name, "__source_")
		switch {
		case inBefore:
			e.before[before] = i
		case inSource:
			e.source[source] = i
		case col.Name == "__op":
			e.opAt = i
		case col.Name == "__ts_ms":
			e.seenAt = i
		default:
			e.row[col.Name] = i
		}
	}
	return e
}

// blank reports whether a line is a tombstone or empty.
func (e *eventScan) blank(line []byte) bool {
	line = bytes.TrimSpace(line)
	if len(line) == 0 || string(line) == "null" {
		return true
	}
	if len(line) > 64<<10 || !bytes.Contains(line, []byte(`"payload"`)) || !bytes.HasSuffix(bytes.TrimRight(line, " }"), []byte("null")) {
		return false
	}
	return e.open(line) == "" && e.event.isNull
}

// open reads the envelope.
func (e *eventScan) open(line []byte) (rule string) {
	e.event = event{}
	if rule = e.parser.object(line, e.member); rule != "" || e.event.payload == nil {
		return rule
	}
	schema := e.event.schema
	rule = e.parser.object(e.event.payload, e.member)
	e.event.schema = schema
	return rule
}

func (e *eventScan) member(name []byte, v jsonValue) bool {
	ev := &e.event
	nested := v.text
	if v.kind != jsonNested {
		nested = nil
	}
	switch string(name) {
	case "schema":
		ev.schema = nested
	case "payload":
		ev.payload, ev.isNull = nested, v.kind == jsonNull
	case "before":
		ev.before = nested
	case "after":
		ev.after = nested
	case "source":
		ev.source = nested
	case "op":
		if v.kind == jsonString {
			ev.op = append(ev.op[:0], v.text...)
		}
	case "ts_ms":
		if v.kind == jsonLiteral {
			ev.seen = v.text
		}
	}
	return true
}

// members appends the wanted columns of an event.
func (e *eventScan) members(line []byte) error {
	if rule := e.open(line); rule != "" {
		return e.wrong("", rule)
	}
	ev := &e.event
	row := ev.after
	switch string(ev.op) {
	case "c", "r", "u":
		if row == nil {
			return e.wrong("", "change event has no row after the change")
		}
	case "d":
		if row = ev.before; row == nil {
			return e.wrong("", "delete event has no row before the change")
		}
	case "t":
		return e.wrong("", "truncate events are not supported")
	case "":
		return e.wrong("", "not a change event: it has no operation")
	default:
		return e.wrong("", "unknown operation")
	}
	if err := e.types.learn(ev.schema); err != nil {
		return e.wrong("", "schema of the event is not one of Kafka Connect")
	}
	if err := e.own(e.opAt, ev.op); err != nil {
		return err
	}
	if err := e.own(e.seenAt, ev.seen); err != nil {
		return err
	}
	if err := e.block(row, e.row, e.convert); err != nil {
		return err
	}
	if err := e.block(ev.source, e.source, e.plain); err != nil {
		return err
	}
	if string(ev.op) != "u" {
		return nil
	}
	return e.block(ev.before, e.before, e.convert)
}

// own appends a value of the envelope itself.
func (e *eventScan) own(i int, text []byte) error {
	if i < 0 || text == nil {
		return nil
	}
	e.columns[i].seen = e.jsonScan.row
	if rule := e.columns[i].builder.Append(text); rule != "" {
		return e.wrong(e.req.Columns[i].Name, rule)
	}
	return nil
}

// block calls add for the wanted members of a part of the event.
func (e *eventScan) block(part []byte, columns map[string]int, add func(i int, name []byte, v jsonValue) (rule string)) error {
	if part == nil || len(columns) == 0 {
		return nil
	}
	return e.wanted(part, columns, add)
}

// plain appends a member of the source block: numbers are text for text columns.
func (e *eventScan) plain(i int, _ []byte, v jsonValue) string {
	if v.kind == jsonLiteral && e.columns[i].text {
		return e.columns[i].builder.Append(v.text)
	}
	return e.value(i, v)
}
