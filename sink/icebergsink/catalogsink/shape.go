package catalogsink

import (
	"fmt"
	"slices"

	"github.com/apache/iceberg-go"
	"github.com/apache/iceberg-go/table"

	"github.com/tidemark-data/etl"
)

// specOf makes the partition spec of a new table. Partition values stand in
// manifests and paths, so a sensitive column can only be bucketed.
func specOf(target etl.Target, schema *iceberg.Schema) (*iceberg.PartitionSpec, error) {
	if len(target.Partition) == 0 {
		return iceberg.UnpartitionedSpec, nil
	}
	opts := make([]iceberg.PartitionOption, 0, len(target.Partition))
	for _, p := range target.Partition {
		i := target.Columns.Index(p.Column)
		if i < 0 {
			return nil, terminal(fmt.Errorf("table %s: no partition column %s", target.Name, p.Column))
		}
		if target.Columns[i].Sensitive && p.Transform != "bucket" {
			return nil, terminal(fmt.Errorf("table %s: partition by %s of the sensitive column %s would show its values", target.Name, p.Transform, p.Column))
		}
		transform, suffix, err := transformOf(p)
		if err != nil {
			return nil, terminal(fmt.Errorf("table %s: partition column %s: %w", target.Name, p.Column, err))
		}
		typ, _ := icebergType(target.Columns[i].Type)
		if !transform.CanTransform(typ) {
			return nil, terminal(fmt.Errorf("table %s: partition column %s: %s does not apply to %v", target.Name, p.Column, p.Transform, target.Columns[i].Type))
		}
		opts = append(opts, iceberg.AddPartitionFieldByName(p.Column, p.Column+suffix, transform, schema, nil))
	}
	spec, err := iceberg.NewPartitionSpecOpts(opts...)
	if err != nil {
		return nil, terminal(fmt.Errorf("table %s: partition spec: %w", target.Name, err))
	}
	return &spec, nil
}

// transformOf also returns what is appended to the column's name to name the
// field, as Spark and PyIceberg do it.
func transformOf(p etl.PartitionField) (iceberg.Transform, string, error) {
	switch p.Transform {
	case "identity":
		return iceberg.IdentityTransform{}, "", nil
	case "year":
		return iceberg.YearTransform{}, "_year", nil
	case "month":
		return iceberg.MonthTransform{}, "_month", nil
	case "day":
		return iceberg.DayTransform{}, "_day", nil
	case "hour":
		return iceberg.HourTransform{}, "_hour", nil
	case "bucket", "truncate":
		if p.N <= 0 {
			return nil, "", fmt.Errorf("%s needs a positive number", p.Transform)
		}
		if p.Transform == "bucket" {
			return iceberg.BucketTransform{NumBuckets: p.N}, "_bucket", nil
		}
		return iceberg.TruncateTransform{Width: p.N}, "_trunc", nil
	}
	return nil, "", fmt.Errorf("transform %q is not identity, year, month, day, hour, bucket or truncate", p.Transform)
}

func orderOf(target etl.Target, schema *iceberg.Schema) (table.SortOrder, error) {
	if len(target.Sort) == 0 {
		return table.UnsortedSortOrder, nil
	}
	fields := make([]table.SortField, 0, len(target.Sort))
	for _, name := range target.Sort {
		f, ok := schema.FindFieldByName(name)
		if !ok {
			return table.SortOrder{}, terminal(fmt.Errorf("table %s: no sort column %s", target.Name, name))
		}
		fields = append(fields, table.SortField{
			SourceIDs: []int{f.ID}, Transform: iceberg.IdentityTransform{},
			Direction: table.SortASC, NullOrder: table.NullsFirst,
		})
	}
	order, err := table.NewSortOrder(1, fields)
	if err != nil {
		return table.SortOrder{}, terminal(fmt.Errorf("table %s: sort order: %w", target.Name, err))
	}
	return order, nil
}

// checkTable compares a table that exists with the target.
func checkTable(tbl *table.Table, target etl.Target) error {
	if v := tbl.Metadata().Version(); v != 2 && v != 3 {
		return terminal(fmt.Errorf("table %s is of format version %d; only versions 2 and 3 are supported", target.Name, v))
	}
	schema := tbl.Schema()
	if target.Mode == etl.ModeAppend && len(schema.IdentifierFieldIDs) > 0 {
		return terminal(fmt.Errorf("table %s has a key (identifier fields), so rows cannot be appended to it without one", target.Name))
	}
	if target.Mode == etl.ModeHistory && len(schema.IdentifierFieldIDs) > 0 {
		return terminal(fmt.Errorf("table %s has a key (identifier fields), so it cannot keep several versions of one", target.Name))
	}
	for _, col := range target.Columns {
		f, ok := schema.FindFieldByName(col.Name)
		if !ok {
			return terminal(fmt.Errorf("table %s has no column %s", target.Name, col.Name))
		}
		want, err := icebergType(col.Type)
		if err != nil {
			return terminal(fmt.Errorf("table %s: column %s: %w", target.Name, col.Name, err))
		}
		if !f.Type.Equals(want) {
			return terminal(fmt.Errorf("table %s: column %s is %v, declared as %v", target.Name, col.Name, f.Type, col.Type))
		}
		if f.Required != required(target, col) {
			return terminal(fmt.Errorf("table %s: column %s: required is %t, declared as %t", target.Name, col.Name, f.Required, !f.Required))
		}
	}
	for _, f := range schema.Fields() {
		if target.Columns.Index(f.Name) < 0 {
			return terminal(fmt.Errorf("table %s has column %s, which is not declared", target.Name, f.Name))
		}
	}
	for _, k := range target.Key {
		if !slices.ContainsFunc(target.Columns, func(c etl.Column) bool { return c.Name == k }) {
			return terminal(fmt.Errorf("table %s: no key column %s", target.Name, k))
		}
	}
	return nil
}
