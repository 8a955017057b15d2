package format

import (
	"context"
	"errors"
	"math"
	"slices"
	"strconv"
	"strings"

	etl "github.com/tidemark-data/etl"
)

var (
	_ etl.SchemaFormat = CSV{}
	_ etl.SchemaFormat = JSONLines{}
)

// Discover implements [etl.SchemaFormat]: the header names the columns, which are
// text. Files without a header name none.
func (c CSV) Discover(ctx context.Context, in etl.Input, req etl.DiscoverRequest) ([]etl.DiscoveredColumn, bool, error) {
	if !c.Header {
		return nil, false, nil
	}
	c = c.withDefaults()
	if err := c.validate(); err != nil {
		return nil, false, configError(err)
	}
	s := &csvScan{csv: c, req: etl.ScanRequest{Location: req.Location, Kind: req.Kind}, limit: batchRows}
	names, err := s.discover(ctx, in)
	if err != nil {
		return nil, false, s.failed(err)
	}
	var out []etl.DiscoveredColumn
	for i, name := range names {
		switch {
		case ignoredColumn(name):
		case slices.Contains(names[:i], name):
			return nil, false, s.wrong(0, name, "column is in the header twice")
		default:
			out = append(out, etl.DiscoveredColumn{Name: name, Text: true})
		}
	}
	return out, true, nil
}

func (s *csvScan) discover(ctx context.Context, in etl.Input) (names []string, err error) {
	if s.text, err = openText(in, s.csv.MaxDecompressedBytes, s.csv.MaxRatio); err != nil {
		return nil, err
	}
	defer s.close()
	s.split = newSplitter(ctx, s.text, s.csv, in.Size())
	if err := s.split.begin(); err != nil {
		return nil, err
	}
	return s.header()
}

// maxMembers is how many different names the records of a file may have.
const maxMembers = 10_000

// Discover implements [etl.SchemaFormat]. It reads the whole file, since any record may
// have a member that no other has. Strings are text; numbers are longs or, if one of
// them is no whole number, doubles; objects and arrays are strings. Members that are
// null or missing throughout tell no type. Bad records are left to Scan.
func (j JSONLines) Discover(ctx context.Context, in etl.Input, req etl.DiscoverRequest) ([]etl.DiscoveredColumn, bool, error) {
	s, err := newJSONScan(j, etl.ScanRequest{Location: req.Location, Kind: req.Kind})
	if err != nil {
		return nil, false, configError(err)
	}
	m := members{byName: map[string]*member{}}
	s.members = func(line []byte) error {
		s.parser.object(line, m.see)
		if len(m.byName) > maxMembers {
			return s.wrong("", "the records have more than "+strconv.Itoa(maxMembers)+" different members")
		}
		return nil
	}
	s.scan(ctx, in, func(_ etl.Rows, e error) bool {
		err = e
		return e == nil
	})
	if err != nil {
		return nil, false, err
	}
	out := make([]etl.DiscoveredColumn, len(m.names))
	for i, name := range m.names {
		out[i] = m.byName[name].column(name)
	}
	return out, true, nil
}

// members are those that the records of a file have.
type members struct {
	byName map[string]*member
	names  []string
}

// member is what the values of a member have been.
type member struct {
	text, nested, truth, number bool
	fraction, wide, huge        bool // of the numbers: not whole, beyond 32 and 64 bits
	precise, exact              bool // more digits than a float and a double have
}

func (m *members) see(name []byte, v jsonValue) bool {
	at := m.byName[string(name)]
	if at == nil {
		at = &member{}
		m.byName[string(name)] = at
		m.names = append(m.names, string(name))
	}
	switch v.kind {
	case jsonString:
		at.text = true
	case jsonNested:
		at.nested = true
	case jsonLiteral:
		at.literal(string(v.text))
	}
	return len(m.names) <= maxMembers
}

func (m *member) literal(text string) {
	if text == "true" || text == "false" {
		m.truth = true
		return
	}
	m.number = true
	v, _ := strconv.ParseFloat(text, 64)
	single, _ := strconv.ParseFloat(strconv.FormatFloat(v, 'g', -1, 32), 64)
	m.precise = m.precise || single != v
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
