package avroformat

import (
	"context"
	"slices"

	"github.com/twmb/avro"
	"github.com/twmb/avro/ocf"

	etl "github.com/tidemark-data/etl"
)

var _ etl.SchemaFormat = Format{}

// Discover implements [etl.SchemaFormat]: the columns are the fields of the file's own
// schema, of change events those of the row. Fields of types that no column has tell
// none. It reads the file's header only.
func (f Format) Discover(ctx context.Context, in etl.Input, req etl.DiscoverRequest) ([]etl.DiscoveredColumn, bool, error) {
	f = f.withDefaults()
	s := newScan(f, in, etl.ScanRequest{Location: req.Location, Kind: req.Kind})
	r, err := s.open()
	if err != nil {
		return nil, false, s.failed(ctx, err)
	}
	defer func() { _ = r.Close() }()
	return f.discover(r.Schema().Root()), true, nil
}

// open reads the file's header.
func (s *scan) open() (r *ocf.Reader, err error) {
	err = guard(func() (err error) {
		r, err = ocf.NewReader(s.in, ocf.WithMaxBlockBytes(s.format.MaxBlockBytes), ocf.WithMaxDecompressedBlockBytes(s.format.MaxBlockBytes))
		return err
	})
	if err != nil {
		return nil, s.broken(err, "not an Avro object container file")
	}
	return r, nil
}

func (f Format) discover(root *avro.SchemaNode) (out []etl.DiscoveredColumn) {
	named := map[string]*avro.SchemaNode{}
	learn(root, named)
	if !f.Events {
		return f.fields(nil, root, "", false, named)
	}
	row := field(root, "after", named)
	if row == nil {
		row = field(root, "before", named)
	}
	out = f.fields(out, row, "", false, named)
	for _, own := range []string{"op", "ts_ms"} {
		if n := field(root, own, named); n != nil {
			out = append(out, etl.DiscoveredColumn{Name: "__" + own, Types: f.types(n, false), Envelope: true})
		}
	}
	out = f.fields(out, field(root, "source", named), "__source_", true, named)
	return f.fields(out, field(root, "before", named), "__before_", true, named)
}

// fields appends the fields of a record.
func (f Format) fields(out []etl.DiscoveredColumn, record *avro.SchemaNode, prefix string, envelope bool, named map[string]*avro.SchemaNode) []etl.DiscoveredColumn {
	if record == nil || record.Type != "record" {
		return out
	}
	for i := range record.Fields {
		n := resolved(&record.Fields[i].Type, named)
		out = append(out, etl.DiscoveredColumn{
			Name: prefix + record.Fields[i].Name, Types: f.types(n, prefix == "__source_"), Empty: n.Type == "null", Envelope: envelope,
		})
	}
	return out
}

// types are those that the converters of a field's type lead to, the closest first.
func (f Format) types(n *avro.SchemaNode, source bool) (out []etl.Type) {
	if n.LogicalType == "decimal" {
		if n.Precision < 1 || n.Precision > 38 || n.Scale < 0 || n.Scale > n.Precision {
			return nil
		}
		return []etl.Type{etl.Decimal(n.Precision, n.Scale)}
	}
	order := []etl.Type{etl.Date, etl.Timestamp, etl.TimestampTZ}
	if kind := logical(n); kind == "zoned-text" || len(kind) > 9 && kind[:9] == "timestamp" {
		order = []etl.Type{etl.TimestampTZ, etl.Timestamp}
	}
	switch n.LogicalType {
	case "uuid":
		order = append(order, etl.UUID, etl.String)
	case "": // the decoder makes other things of the others
		order = append(order, etl.Bool, etl.Int, etl.Long, etl.Float, etl.Double, etl.String, etl.Binary, etl.UUID)
	}
	for _, t := range order {
		if f.converter(n, t, source) != nil && !slices.Contains(out, t) {
			out = append(out, t)
		}
	}
	return out
}
