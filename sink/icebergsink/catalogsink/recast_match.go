package catalogsink

import (
	"fmt"
	"strings"

	"github.com/apache/arrow-go/v18/parquet"
	"github.com/apache/arrow-go/v18/parquet/metadata"
	"github.com/apache/arrow-go/v18/parquet/pqarrow"
	"github.com/apache/arrow-go/v18/parquet/schema"
	"github.com/apache/iceberg-go"

	"github.com/tidemark-data/etl/internal/pages"
)

// newPageRecast returns nil for a file that has to take the way through Arrow.
func (w *work) newPageRecast(plan *filePlan, f *dataFile, in *parquetFile, gone bits) (*pageRecast, error) {
	p := &pageRecast{w: w, plan: plan, f: f, in: in, without: gone, props: plan.enc.properties(plan, nil)}
	// Others may cut long texts short; the format's flag for it cannot be read.
	writer := in.MetaData().GetCreatedBy()
	p.exact = strings.HasPrefix(writer, "tidemark ") || strings.HasPrefix(writer, "parquet-go ")
	own, err := pqarrow.ToParquet(plan.schema, p.props, pqarrow.DefaultWriterProps())
	if err != nil {
		return nil, err
	}
	nodes := make(schema.FieldList, own.NumColumns())
	p.leaves = make([]int, own.NumColumns())
	for i := range nodes {
		if nodes[i], p.leaves[i] = p.match(own.Column(i)); nodes[i] == nil {
			return nil, nil
		}
	}
	root, err := schema.NewGroupNode(own.Root().Name(), own.Root().RepetitionType(), nodes, -1)
	if err != nil {
		return nil, err
	}
	p.schema = schema.NewSchema(root)
	for rg := range in.NumRowGroups() {
		for i, at := range p.leaves {
			if at == made {
				continue
			}
			meta, err := in.MetaData().RowGroup(rg).ColumnChunk(at)
			if err != nil {
				return nil, fmt.Errorf("read %s: %w", in.path, err)
			}
			if _, ok := in.pagesOf(rg, at, meta); !ok || !p.complete(meta, p.schema.Column(i)) {
				return nil, nil
			}
		}
		if p.left(rg) {
			p.groups = append(p.groups, rg)
		}
	}
	return p, nil
}

// made stands for a column that the old file does not have.
const made = -1

// complete reports whether the pages of a chunk can stand in another file: a row
// that stores no lineage has that of its place in this one.
func (p *pageRecast) complete(meta *metadata.ColumnChunkMetaData, col *schema.Column) bool {
	if !iceberg.IsMetadataColumn(int(col.SchemaNode().FieldID())) {
		return true
	}
	stats, err := p.stats(meta, col)
	return err == nil && stats.HasNulls && stats.Nulls == 0
}

// match finds the old file's column for one of the new file, and makes the node
// of the latter. Decimals keep the physical type that they have in the old file
// (Iceberg spec, appendix "Parquet": several are allowed).
func (p *pageRecast) match(want *schema.Column) (schema.Node, int) {
	node, id := want.SchemaNode(), want.SchemaNode().FieldID()
	old := p.in.MetaData().Schema
	for at := range old.NumColumns() {
		have := old.Column(at)
		if id < 0 || have.SchemaNode().FieldID() != id || len(have.ColumnPath()) != 1 {
			continue
		}
		_, decimal := want.LogicalType().(schema.DecimalLogicalType)
		same := have.PhysicalType() == want.PhysicalType() &&
			(have.PhysicalType() != parquet.Types.FixedLenByteArray || have.TypeLength() == want.TypeLength())
		if !same && !decimal || !sameLogical(have.LogicalType(), want.LogicalType()) || len(want.ColumnPath()) != 1 ||
			have.SchemaNode().RepetitionType() != node.RepetitionType() || p.props.BloomFilterEnabledFor(want.Path()) {
			return nil, 0
		}
		length := -1
		if have.PhysicalType() == parquet.Types.FixedLenByteArray {
			length = have.TypeLength()
		}
		own, err := schema.NewPrimitiveNodeLogical(node.Name(), node.RepetitionType(), want.LogicalType(), have.PhysicalType(), length, id)
		if err != nil {
			return nil, 0
		}
		return own, at
	}
	if iceberg.IsMetadataColumn(int(id)) && p.f.hasRowIDs() {
		own, err := schema.NewPrimitiveNodeLogical(node.Name(), node.RepetitionType(), want.LogicalType(), want.PhysicalType(), -1, id)
		if err == nil {
			return own, made
		}
	}
	return nil, 0
}

func sameLogical(a, b schema.LogicalType) bool {
	if a == nil || b == nil {
		return a == b
	}
	return a.Equals(b)
}

// left reports whether a row group has rows left.
func (p *pageRecast) left(rg int) bool {
	for pos := p.in.first[rg]; pos < p.in.first[rg+1]; pos++ {
		if !p.without.has(pos) {
			return true
		}
	}
	return false
}

// stats are those of a chunk of the old file, as far as the new one may show them.
func (p *pageRecast) stats(meta *metadata.ColumnChunkMetaData, col *schema.Column) (s pages.Stats, err error) {
	required := col.MaxDefinitionLevel() == 0
	s.HasNulls = required
	set, err := meta.StatsSet()
	if err == nil && !set {
		return s, nil
	}
	var stats metadata.TypedStatistics
	if err == nil {
		stats, err = meta.Statistics()
	}
	if err != nil {
		return s, fmt.Errorf("%w: statistics: %w", pages.ErrForeign, err)
	}
	if stats == nil {
		return s, nil
	}
	if stats.HasNullCount() && !required {
		s.HasNulls, s.Nulls = true, stats.NullCount()
	}
	if stats.HasMinMax() && !p.plan.enc.sensitive[col.Name()] {
		s.HasBounds, s.Min, s.Max = true, stats.EncodeMin(), stats.EncodeMax()
	}
	return s, nil
}
