package avroformat

import (
	etl "github.com/tidemark-data/etl"
)

// placeholder stands for values that the database did not log (Debezium,
// unavailable.value.placeholder).
const placeholder = "__debezium_unavailable_value"

// sources are the parts of a record that columns are taken from.
type sources [4]map[string]any

// record appends the wanted columns of a record.
func (s *scan) record(rec any) error {
	m, ok := rec.(map[string]any)
	if !ok {
		return s.wrong(s.row, "", "not a record")
	}
	from := sources{inRow: m}
	if s.format.Events {
		var rule string
		if from, rule = event(m); rule != "" {
			return s.wrong(s.row, "", rule)
		}
	}
	for i := range s.columns {
		if rule := s.value(i, from); rule != "" {
			return s.wrong(s.row, s.req.Columns[i].Name, rule)
		}
	}
	s.numbers = append(s.numbers, s.row)
	return nil
}

// event takes a change event apart.
func event(m map[string]any) (sources, string) {
	block := func(name string) map[string]any {
		b, _ := m[name].(map[string]any)
		return b
	}
	from := sources{inEvent: m, inSource: block("source")}
	op, _ := m["op"].(string)
	switch op {
	case "c", "r", "u":
		from[inRow] = block("after")
		if from[inRow] == nil {
			return from, "change event has no row after the change"
		}
	case "d":
		from[inRow] = block("before")
		if from[inRow] == nil {
			return from, "delete event has no row before the change"
		}
	case "t":
		return from, "truncate events are not supported"
	case "":
		return from, "not a change event: it has no operation"
	default:
		return from, "unknown operation"
	}
	if op == "u" {
		from[inBefore] = block("before")
	}
	return from, ""
}

func (s *scan) value(i int, from sources) (rule string) {
	c := &s.columns[i]
	v := from[c.part][c.name]
	switch t := v.(type) {
	case nil:
		c.builder.AppendNull()
		return ""
	case string:
		s.taken += len(t)
	case []byte:
		s.taken += len(t)
	}
	s.taken += 8
	if s.format.Events && isPlaceholder(v) {
		return s.unavailable(i)
	}
	if c.convert == nil {
		c.builder.AppendNull()
		return ""
	}
	return c.convert(v, c.builder)
}

func isPlaceholder(v any) bool {
	switch t := v.(type) {
	case string:
		return t == placeholder
	case []byte:
		return string(t) == placeholder
	}
	return false
}

func (s *scan) unavailable(i int) string {
	if !s.format.Unavailable || s.req.Kind == etl.Full {
		return "value is unavailable: the database did not log it"
	}
	if s.unsupplied == nil {
		s.unsupplied = make([][]bool, len(s.columns))
	}
	if s.unsupplied[i] == nil {
		s.unsupplied[i] = make([]bool, batchRows)
	}
	s.unsupplied[i][len(s.numbers)] = true
	s.columns[i].builder.AppendNull()
	return ""
}
