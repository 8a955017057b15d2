package parquetformat

import (
	"context"

	"github.com/apache/arrow-go/v18/arrow"

	etl "github.com/tidemark-data/etl"
)

var _ etl.SchemaFormat = Format{}

// Discover implements [etl.SchemaFormat]: the columns are the top-level fields of the
// file's own schema. Those of types that no column has tell none.
func (f Format) Discover(ctx context.Context, in etl.Input, req etl.DiscoverRequest) ([]etl.DiscoveredColumn, bool, error) {
	f = f.withDefaults()
	s := &scan{format: f, req: etl.ScanRequest{Location: req.Location, Kind: req.Kind}, in: &input{in: in}}
	defer s.close()
	if err := s.open(ctx); err != nil {
		return nil, false, s.failed(ctx, err)
	}
	var out []etl.DiscoveredColumn
	seen := map[string]bool{}
	for i := range s.arrow.Manifest.Fields {
		field := &s.arrow.Manifest.Fields[i]
		name := field.Field.Name
		if seen[name] {
			return nil, false, s.wrong(0, name, "column is in the file twice")
		}
		seen[name] = true
		d := etl.DiscoveredColumn{Name: name}
		if field.IsLeaf() {
			d.Types = f.types(field.Field.Type)
		}
		out = append(out, d)
	}
	return out, true, nil
}

// types are those that the converters of a file's type lead to, the closest first.
func (f Format) types(from arrow.DataType) []etl.Type {
	if d, ok := from.(*arrow.Decimal128Type); ok {
		if t := etl.Decimal(int(d.Precision), int(d.Scale)); f.converter(from, t) != nil {
			return []etl.Type{t}
		}
		return nil
	}
	order := []etl.Type{etl.Bool, etl.Int, etl.Long, etl.Float, etl.Double, etl.Date, etl.Timestamp, etl.TimestampTZ, etl.String, etl.Binary, etl.UUID}
	if ts, ok := from.(*arrow.TimestampType); ok && ts.TimeZone != "" {
		order = []etl.Type{etl.TimestampTZ, etl.Timestamp}
	}
	var out []etl.Type
	for _, t := range order {
		if f.converter(from, t) != nil {
			out = append(out, t)
		}
	}
	if arrow.TypeEqual(from, etl.UUID.Arrow()) {
		return []etl.Type{etl.UUID}
	}
	return out
}
