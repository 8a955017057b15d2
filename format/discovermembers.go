package format

import (
	"bytes"
	"errors"
	"math"
	"strconv"
	"strings"

	etl "github.com/tidemark-data/etl"
)

// members are those that the records of a file have.
type members struct {
	byName  map[string]*member
	list    []*member
	records int64
	// here are those of the last record; guess is where the next one stands if the
	// record has them in the order of list.
	here  []*member
	guess int
}

func newMembers() *members { return &members{byName: map[string]*member{}} }

// limit returns an error where there are too many.
func (m *members) limit(s *jsonScan) error {
	if len(m.list) <= maxMembers {
		return nil
	}
	return s.wrong("", "the records have more than "+strconv.Itoa(maxMembers)+" different members")
}

// record begins a record.
func (m *members) record() {
	m.records++
	m.here, m.guess = m.here[:0], 0
}

// forget takes back that the last record, which is bad, has the members that it has.
func (m *members) forget() {
	for _, at := range m.here {
		at.records, at.last = at.records-1, 0
	}
	m.records--
}

func (m *members) columns(missing Missing) []etl.DiscoveredColumn {
	out := make([]etl.DiscoveredColumn, len(m.list))
	for i, at := range m.list {
		out[i] = at.column(at.name)
		out[i].Sparse = missing == MissingIsBad && at.records < m.records
	}
	return out
}

// member is what the values of a member have been.
type member struct {
	name                        string
	place                       int   // in the list
	records, last               int64 // how many records have it, the last that has
	text, nested, truth, number bool
	fraction, wide, huge        bool // of the numbers: not whole, beyond 32 and 64 bits
	precise, exact              bool // more digits than a float and a double have
}

func (m *members) find(name []byte) *member {
	if m.guess < len(m.list) && m.list[m.guess].name == string(name) {
		return m.list[m.guess]
	}
	at := m.byName[string(name)]
	if at == nil {
		at = &member{name: string(name), place: len(m.list)}
		m.byName[at.name] = at
		m.list = append(m.list, at)
	}
	return at
}

func (m *members) see(name []byte, v jsonValue) bool {
	at := m.find(name)
	m.guess = at.place + 1
	if at.last != m.records {
		at.records, at.last = at.records+1, m.records
		m.here = append(m.here, at)
	}
	switch v.kind {
	case jsonString:
		at.text = true
	case jsonNested:
		at.nested = true
	case jsonLiteral:
		at.literal(v.text)
	}
	return len(m.list) <= maxMembers
}

func (m *member) literal(text []byte) {
	switch {
	case text[0] == 't' || text[0] == 'f':
		m.truth = true
	case bytes.ContainsAny(text, ".eE"):
		m.number, m.fraction = true, true
		m.digits(text)
	case len(text) < 8 && text[0] != '-': // any type holds it
		m.number = true
	default:
		m.number = true
		m.whole(string(text))
	}
}

// digits finds out whether a float holds a number.
func (m *member) digits(text []byte) {
	if m.precise {
		return
	}
	v, _ := strconv.ParseFloat(string(text), 64)
	if float64(float32(v)) == v {
		return
	}
	single, _ := strconv.ParseFloat(strconv.FormatFloat(v, 'g', -1, 32), 64)
	m.precise = single != v
}

func (m *member) whole(text string) {
	m.digits([]byte(text))
	v, _ := strconv.ParseFloat(text, 64)
	n, err := strconv.ParseInt(text, 10, 64)
	m.exact = m.exact || err == nil && (v >= 1<<63 || int64(v) != n)
	switch {
	case errors.Is(err, strconv.ErrRange):
		m.huge = true
	case err != nil || strings.HasPrefix(text, "-0"):
		m.fraction = true
	case n > math.MaxInt32 || n < math.MinInt32:
		m.wide = true
	}
}

func (m *member) column(name string) etl.DiscoveredColumn {
	d := etl.DiscoveredColumn{Name: name}
	switch {
	case m.text && !m.nested: // strings beside numbers are read value by value
		d.Text = true
	case m.nested && !m.truth && !m.number:
		d.Types = []etl.Type{etl.String}
	case m.nested, m.truth && m.number:
	case m.truth:
		d.Types = []etl.Type{etl.Bool}
	case m.number:
		d.Types, d.Number = m.numbers(), true
	default:
		d.Empty = true
	}
	return d
}

// numbers are the types that hold all of the numbers.
func (m *member) numbers() (types []etl.Type) {
	if !m.fraction && !m.huge {
		types = append(types, etl.Long)
		if !m.wide {
			types = append(types, etl.Int, etl.Bool)
		}
	}
	if !m.exact && !m.huge {
		types = append(types, etl.Double)
		if !m.precise {
			types = append(types, etl.Float)
		}
	}
	return types
}
