package format

import (
	"context"
	"slices"
	"strconv"

	etl "github.com/tidemark-data/etl"
)

var _ etl.SchemaFormat = Debezium{}

// Discover implements [etl.SchemaFormat]: the columns are those of the rows. It reads
// the whole file, as [JSONLines.Discover] does. Where all events carry their schemas,
// these tell the types of new columns; numbers of events without are longs or doubles,
// and moments to columns that are declared as such. Values that the database did not
// log tell nothing. Columns of the event's own are envelope columns.
func (d Debezium) Discover(ctx context.Context, in etl.Input, req etl.DiscoverRequest) ([]etl.DiscoveredColumn, bool, error) {
	s, err := newJSONScan(d.lines(), etl.ScanRequest{Location: req.Location, Kind: req.Kind})
	if err != nil {
		return nil, false, configError(err)
	}
	e := &eventDiscovery{eventScan: newEventScan(d, s), row: newMembers(), own: newMembers(), told: map[string]etl.Type{}}
	s.members, s.blank = e.members, e.blank
	if err := s.discover(ctx, in); err != nil {
		return nil, false, err
	}
	return e.columns(), true, nil
}

// eventDiscovery gathers what the events of a file have.
type eventDiscovery struct {
	*eventScan
	row, own *members
	told     map[string]etl.Type // by column: what all schemas so far say; 0 is different things
	bare     bool                // an event has no schema
	learnt   int                 // how many schemas were taken in
}

func (e *eventDiscovery) members(line []byte) error {
	if e.open(line) != "" {
		return nil
	}
	ev := &e.event
	row := ev.after
	if string(ev.op) == "d" {
		row = ev.before
	}
	if err := e.types.learn(ev.schema); err != nil || row == nil {
		return nil //nolint:nilerr // bad records are left to Scan
	}
	e.learn()
	e.row.record()
	e.own.record()
	e.own.see([]byte("__op"), jsonValue{kind: jsonString})
	e.own.see([]byte("__ts_ms"), jsonValue{kind: jsonString})
	if e.parser.object(row, e.seeRow) != "" {
		e.row.forget()
	}
	e.seeOwn("__source_", ev.source)
	if string(ev.op) == "u" {
		e.seeOwn("__before_", ev.before)
	}
	if err := e.own.limit(e.jsonScan); err != nil {
		return err
	}
	return e.row.limit(e.jsonScan)
}

// seeRow is members.see, without values that the database did not log.
func (e *eventDiscovery) seeRow(name []byte, v jsonValue) bool {
	if v.kind == jsonString && (string(v.text) == unavailable || string(v.text) == unavailableBytes) {
		v.kind = jsonNull
	}
	return e.row.see(name, v)
}

// seeOwn takes in a part of the event around the row.
func (e *eventDiscovery) seeOwn(prefix string, part []byte) {
	if part == nil {
		return
	}
	buf := []byte(prefix)
	e.parser.object(part, func(name []byte, v jsonValue) bool {
		buf = append(buf[:len(prefix)], name...)
		return e.own.see(buf, v)
	})
}

// learn takes in what the schema of an event says of its columns.
func (e *eventDiscovery) learn() {
	e.bare = e.bare || len(e.types.columns) == 0
	if e.learnt == e.types.learnt {
		return
	}
	e.learnt = e.types.learnt
	for name, s := range e.types.columns {
		now, before := s.column(), e.told[name]
		_, told := e.told[name]
		switch {
		case !told || before == now:
			e.told[name] = now
		case wider(before, now):
			e.told[name] = now
		case !wider(now, before):
			e.told[name] = 0
		}
	}
}

// wider reports whether one type holds all values of another, as columns widen.
func wider(from, to etl.Type) bool {
	fp, fs, fd := from.DecimalSize()
	tp, ts, td := to.DecimalSize()
	return from == etl.Int && to == etl.Long || from == etl.Float && to == etl.Double || fd && td && fs == ts && fp < tp
}

func (e *eventDiscovery) columns() []etl.DiscoveredColumn {
	var out []etl.DiscoveredColumn
	for _, d := range e.row.columns(e.format.Missing) {
		e.typed(&d)
		out = append(out, d)
	}
	for _, own := range e.own.list {
		out = append(out, etl.DiscoveredColumn{Name: own.name, Text: true, Envelope: true})
	}
	return out
}

// typed adds to what the values of a column say.
func (e *eventDiscovery) typed(d *etl.DiscoveredColumn) {
	if slices.Contains(d.Types, etl.Long) {
		d.Types = append(d.Types, etl.Date, etl.Timestamp, etl.TimestampTZ)
	}
	if slices.Contains(d.Types, etl.String) {
		d.Number = true // objects may be decimals of any scale
	}
	told := e.told[d.Name]
	if e.bare || told == 0 || d.Empty {
		return
	}
	fraction := told == etl.Float || told == etl.Double
	types := []etl.Type{told}
	for _, t := range d.Types {
		if number := t == etl.Float || t == etl.Double; t != told && !wider(t, told) && (number || !fraction) {
			types = append(types, t)
		}
	}
	_, _, decimal := told.DecimalSize()
	if d.Types = types; decimal {
		d.Text = false // their digits are base64
	}
}

// column is the type of column that a Connect type is made for (Debezium reference,
// "Data type mappings"); 0 is none.
func (s semantic) column() etl.Type {
	switch s.name {
	case "io.debezium.time.Date", "org.apache.kafka.connect.data.Date":
		return etl.Date
	case "io.debezium.time.ZonedTimestamp":
		return etl.TimestampTZ
	case "io.debezium.data.Uuid":
		return etl.UUID
	case "org.apache.kafka.connect.data.Decimal":
		return s.decimal()
	}
	if s.unit() != "" {
		return etl.Timestamp
	}
	switch s.kind {
	case "int8", "int16", "int32":
		return etl.Int
	case "int64":
		return etl.Long
	case "float":
		return etl.Float
	case "double":
		return etl.Double
	case "boolean":
		return etl.Bool
	case "string", "struct", "array", "map":
		return etl.String
	case "bytes":
		return etl.Binary
	}
	return 0
}

func (s semantic) decimal() etl.Type {
	precision, err := strconv.Atoi(s.precision)
	if err != nil || precision < 1 || precision > 38 {
		precision = 38
	}
	if s.scale < 0 || s.scale > precision {
		return 0
	}
	return etl.Decimal(precision, s.scale)
}
