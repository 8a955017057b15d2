package avroformat

import (
	"fmt"
	"strings"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/twmb/avro"
)

// part says which part of a record a column is in.
type part uint8

const (
	inRow    part = iota // the record itself; of an event, the row after or before
	inEvent              // the envelope
	inSource             // the event's source block
	inBefore             // the row before an update
)

// column is a wanted column.
type column struct {
	part    part
	name    string
	convert converter // nil where the file does not have the column
	builder array.Builder
}

// plan finds the wanted columns in the file's schema.
func (s *scan) plan(root *avro.SchemaNode) error {
	fields := make([]arrow.Field, len(s.req.Columns))
	s.columns = make([]column, len(s.req.Columns))
	named := map[string]*avro.SchemaNode{}
	learn(root, named)
	for i, want := range s.req.Columns {
		c := column{name: want.Name, builder: newBuilder(want.Type)}
		fields[i] = arrow.Field{Name: want.Name, Type: want.Type.Arrow(), Nullable: true}
		if s.format.Events {
			c.part, c.name = eventColumn(want.Name)
		}
		node := s.find(root, c, named)
		if node == nil && !want.Optional {
			return s.wrong(0, want.Name, "column is missing")
		}
		if node != nil {
			if c.convert = s.format.converter(node, want.Type, c.part == inSource); c.convert == nil {
				return s.wrong(0, want.Name, fmt.Sprintf("file has type %s, table wants %v", typeName(node), want.Type))
			}
		}
		s.columns[i] = c
	}
	s.schema = arrow.NewSchema(fields, nil)
	return nil
}

func eventColumn(name string) (part, string) {
	if rest, ok := strings.CutPrefix(name, "__before_"); ok {
		return inBefore, rest
	}
	if rest, ok := strings.CutPrefix(name, "__source_"); ok {
		return inSource, rest
	}
	if name == "__op" || name == "__ts_ms" {
		return inEvent, strings.TrimPrefix(name, "__")
	}
	return inRow, name
}

// find returns the type of a column, without null; nil if there is none.
func (s *scan) find(root *avro.SchemaNode, c column, named map[string]*avro.SchemaNode) *avro.SchemaNode {
	if s.format.Events {
		switch c.part {
		case inRow:
			root = field(root, "after", named)
		case inBefore:
			root = field(root, "before", named)
		case inSource:
			root = field(root, "source", named)
		}
	}
	return field(root, c.name, named)
}

// field returns the type of a record's field, without null.
func field(record *avro.SchemaNode, name string, named map[string]*avro.SchemaNode) *avro.SchemaNode {
	if record == nil || record.Type != "record" {
		return nil
	}
	for i := range record.Fields {
		if record.Fields[i].Name == name {
			return resolved(&record.Fields[i].Type, named)
		}
	}
	return nil
}

// resolved follows references to named types, and takes null out of a union.
func resolved(n *avro.SchemaNode, named map[string]*avro.SchemaNode) *avro.SchemaNode {
	for range 3 {
		if n.Type == "union" {
			var others []*avro.SchemaNode
			for i := range n.Branches {
				if n.Branches[i].Type != "null" {
					others = append(others, &n.Branches[i])
				}
			}
			if len(others) != 1 {
				return n
			}
			n = others[0]
		}
		def, ok := named[n.Type]
		if !ok {
			return n
		}
		n = def
	}
	return n
}

// learn gathers the definitions of named types.
func learn(n *avro.SchemaNode, named map[string]*avro.SchemaNode) {
	if n == nil {
		return
	}
	switch n.Type {
	case "record", "enum", "fixed", "error":
		full := n.Name
		if n.Namespace != "" && !strings.Contains(full, ".") {
			full = n.Namespace + "." + full
		}
		named[full], named[n.Name] = n, n
	}
	for i := range n.Fields {
		learn(&n.Fields[i].Type, named)
	}
	for i := range n.Branches {
		learn(&n.Branches[i], named)
	}
	learn(n.Items, named)
	learn(n.Values, named)
}

func typeName(n *avro.SchemaNode) string {
	name := n.Type
	if l := logical(n); l != "" {
		name += " (" + l + ")"
	}
	return name
}

// logical is the logical type, or what Kafka Connect calls it.
func logical(n *avro.SchemaNode) string {
	connect, _ := n.Props["connect.name"].(string)
	switch connect {
	case "io.debezium.time.Date", "org.apache.kafka.connect.data.Date":
		return "date"
	case "io.debezium.time.Timestamp":
		return "local-timestamp-millis"
	case "org.apache.kafka.connect.data.Timestamp":
		return "local-timestamp-millis"
	case "io.debezium.time.MicroTimestamp":
		return "local-timestamp-micros"
	case "io.debezium.time.NanoTimestamp":
		return "local-timestamp-nanos"
	case "io.debezium.time.ZonedTimestamp":
		return "zoned-text"
	}
	return n.LogicalType
}
