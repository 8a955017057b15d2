package catalogsink

import (
	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/iceberg-go"
	"github.com/apache/iceberg-go/table"
	"github.com/google/uuid"
)

// partitions tells in which partitions keys of a part can be: those whose
// fields are made of key columns say so, whatever the other fields are.
type partitions struct {
	specs map[int32][]keyField
}

// keyField is a partition field made of a key column, and the values it has for
// the keys of a part.
type keyField struct {
	id   int
	have map[any]bool
}

// partitionsOf looks at the keys only as far as it takes to find out that they
// are in every partition there is.
func partitionsOf(tbl *table.Table, list *listing, keys arrow.RecordBatch, ids []int) *partitions {
	p := &partitions{specs: map[int32][]keyField{}}
	there := map[[2]int]map[any]bool{} // by spec and field
	for _, f := range list.data {
		for id, v := range f.Partition() {
			at := [2]int{int(f.SpecID()), id}
			if there[at] == nil {
				there[at] = map[any]bool{}
			}
			there[at][canonical(v)] = true
		}
	}
	for _, spec := range tbl.Metadata().PartitionSpecs() {
		for _, f := range spec.Fields() {
			values := there[[2]int{spec.ID(), f.FieldID}]
			column := -1
			for i, id := range ids {
				if id == f.SourceID() {
					column = i
				}
			}
			if len(values) < 2 || column < 0 || !exact(f.Transform) {
				continue // nothing to tell apart
			}
			if have := valuesOfKeys(keys.Column(column), f.Transform, values); have != nil {
				p.specs[int32(spec.ID())] = append(p.specs[int32(spec.ID())], keyField{f.FieldID, have})
			}
		}
	}
	return p
}

// valuesOfKeys returns which of the values there the keys have; nil is all.
func valuesOfKeys(keys arrow.Array, with iceberg.Transform, there map[any]bool) map[any]bool {
	have := map[any]bool{}
	for i := range keys.Len() {
		lit := literalOf(keys, i)
		if lit == nil {
			return nil
		}
		v := canonical(apply(with, lit))
		if v == (unlike{}) {
			return nil
		}
		if there[v] && !have[v] {
			if have[v] = true; len(have) == len(there) {
				return nil
			}
		}
	}
	return have
}

// meet reports whether a file may hold keys of the part.
func (p *partitions) meet(f iceberg.DataFile) bool {
	fields := p.specs[f.SpecID()]
	if len(fields) == 0 {
		return true
	}
	values := f.Partition()
	for _, k := range fields {
		v, ok := values[k.id]
		if c := canonical(v); ok && c != (unlike{}) && !k.have[c] {
			return false
		}
	}
	return true
}

// exact reports whether all writers agree on the values of a transform, to the
// last corner: rows in a partition that is passed over would be doubled.
func exact(t iceberg.Transform) bool {
	switch t.(type) {
	case iceberg.IdentityTransform, iceberg.BucketTransform:
		return true
	}
	return false
}

// unlike is the canonical form of values that are not compared.
type unlike struct{}

// canonical gives partition values one form, whether they were read or computed.
func canonical(v any) any {
	switch v := v.(type) {
	case nil:
		return nil
	case bool:
		return v
	case int32:
		return int64(v)
	case int64:
		return v
	case iceberg.Date:
		return int64(v)
	case iceberg.Timestamp:
		return int64(v)
	case string:
		return v
	case []byte:
		return string(v)
	case uuid.UUID:
		return string(v[:])
	case iceberg.Decimal:
		return decimalBytes(v.Val)
	}
	return unlike{}
}
