package format

import (
	"context"
	"slices"

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
// have a member that no other has: one more pass, which converts nothing, and keeps a
// few bytes for each of at most 10,000 names. Strings are text; numbers are longs or,
// if one of them is no whole number, doubles; objects and arrays are strings. Members
// that are null or missing throughout tell no type. Those that single records lack are
// sparse, unless Missing says what that means. Bad records are left to Scan.
func (j JSONLines) Discover(ctx context.Context, in etl.Input, req etl.DiscoverRequest) ([]etl.DiscoveredColumn, bool, error) {
	s, err := newJSONScan(j, etl.ScanRequest{Location: req.Location, Kind: req.Kind})
	if err != nil {
		return nil, false, configError(err)
	}
	m := newMembers()
	s.members = func(line []byte) error {
		m.record()
		if s.parser.object(line, m.see) != "" {
			m.forget()
		}
		return m.limit(s)
	}
	if err := s.discover(ctx, in); err != nil {
		return nil, false, err
	}
	return m.columns(j.Missing), true, nil
}

// discover reads a whole file for what its records have.
func (s *jsonScan) discover(ctx context.Context, in etl.Input) (err error) {
	s.scan(ctx, in, func(_ etl.Rows, e error) bool {
		err = e
		return e == nil
	})
	return err
}
