package catalogsink

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"strings"

	"github.com/apache/iceberg-go"
	"github.com/apache/iceberg-go/catalog"
	"github.com/apache/iceberg-go/table"

	"github.com/tidemark-data/etl"
)

// identifier splits "namespace.name". Names become parts of paths, so what
// could lead out of the warehouse is refused.
func identifier(name string) (table.Identifier, error) {
	parts := strings.Split(name, ".")
	if len(parts) < 2 {
		return nil, terminal(fmt.Errorf("table name %q is not namespace.name", name))
	}
	for _, p := range parts {
		if p == "" || strings.ContainsFunc(p, func(r rune) bool {
			return r != '_' && r != '-' && (r < '0' || r > '9') && (r < 'a' || r > 'z') && (r < 'A' || r > 'Z')
		}) {
			return nil, terminal(fmt.Errorf("table name %q: only letters, digits, _ and - are allowed", name))
		}
	}
	return parts, nil
}

func (s *Sink) load(ctx context.Context, name string) (*table.Table, error) {
	ident, err := identifier(name)
	if err != nil {
		return nil, err
	}
	tbl, err := s.cat.LoadTable(ctx, ident)
	if err != nil {
		return nil, fmt.Errorf("load table %s: %w", name, catalogError(err))
	}
	return tbl, nil
}

// open loads the table, or creates it, and checks that it is what the target says.
func (s *Sink) open(ctx context.Context, target etl.Target) (*table.Table, error) {
	tbl, err := s.loadOrCreate(ctx, target)
	if err != nil {
		return nil, err
	}
	return tbl, checkTable(tbl, target)
}

func (s *Sink) loadOrCreate(ctx context.Context, target etl.Target) (*table.Table, error) {
	tbl, err := s.load(ctx, target.Name)
	if errors.Is(err, catalog.ErrNoSuchTable) || errors.Is(err, catalog.ErrNoSuchNamespace) {
		tbl, err = s.create(ctx, target)
	}
	if err != nil && isBusy(err) {
		err = &conflictError{err}
	}
	return tbl, err
}

func (s *Sink) create(ctx context.Context, target etl.Target) (*table.Table, error) {
	ident, err := identifier(target.Name)
	if err != nil {
		return nil, err
	}
	schema, err := schemaOf(target)
	if err != nil {
		return nil, err
	}
	spec, err := specOf(target, schema)
	if err != nil {
		return nil, err
	}
	order, err := orderOf(target, schema)
	if err != nil {
		return nil, err
	}
	ns := catalog.NamespaceFromIdent(ident)
	if err := s.checkNamespace(ctx, ns, target.Name); err != nil {
		return nil, err
	}
	if err := s.cat.CreateNamespace(ctx, ns, nil); err != nil && !errors.Is(err, catalog.ErrNamespaceAlreadyExists) {
		return nil, fmt.Errorf("create namespace of %s: %w", target.Name, catalogError(err))
	}
	if err := s.checkCase(ctx, ns, target.Name); err != nil {
		return nil, err
	}
	tbl, err := s.cat.CreateTable(ctx, ident, schema, catalog.WithPartitionSpec(spec),
		catalog.WithSortOrder(order), catalog.WithProperties(propertiesOf(target)))
	if errors.Is(err, catalog.ErrTableAlreadyExists) {
		return s.load(ctx, target.Name)
	}
	if err != nil {
		return nil, fmt.Errorf("create table %s: %w", target.Name, catalogError(err))
	}
	return tbl, nil
}

// checkNamespace is checkCase for the namespace.
func (s *Sink) checkNamespace(ctx context.Context, ns table.Identifier, name string) error {
	others, err := s.cat.ListNamespaces(ctx, ns[:len(ns)-1])
	if err != nil && !errors.Is(err, catalog.ErrNoSuchNamespace) {
		return fmt.Errorf("list namespaces beside that of %s: %w", name, catalogError(err))
	}
	own := strings.Join(ns, ".")
	for _, other := range others {
		if full := strings.Join(other, "."); full != own && strings.EqualFold(full, own) {
			return terminal(fmt.Errorf("table %s: its namespace differs from namespace %s by case only", name, full))
		}
	}
	return nil
}

// checkCase refuses a name that differs from another table's by case only:
// some catalogs and engines fold names to lower case.
func (s *Sink) checkCase(ctx context.Context, ns table.Identifier, name string) error {
	for other, err := range s.cat.ListTables(ctx, ns) {
		if err != nil {
			return fmt.Errorf("list tables beside %s: %w", name, catalogError(err))
		}
		if full := strings.Join(other, "."); full != name && strings.EqualFold(full, name) {
			return terminal(fmt.Errorf("table %s: the name differs from that of table %s by case only", name, full))
		}
	}
	return nil
}

// schemaOf numbers the columns from 1. Key columns are required, and, unless the
// table keeps several versions of a key, are the identifier fields (Iceberg spec,
// "Identifier Field IDs": required, and neither float nor double).
func schemaOf(target etl.Target) (*iceberg.Schema, error) {
	fields := make([]iceberg.NestedField, len(target.Columns))
	folded := make(map[string]string, len(fields))
	var ids []int
	for i, col := range target.Columns {
		if other, ok := folded[strings.ToLower(col.Name)]; ok {
			return nil, terminal(fmt.Errorf("table %s: columns %s and %s differ by case only", target.Name, other, col.Name))
		}
		folded[strings.ToLower(col.Name)] = col.Name
		typ, err := icebergType(col.Type)
		if err != nil {
			return nil, terminal(fmt.Errorf("table %s: column %s: %w", target.Name, col.Name, err))
		}
		fields[i] = iceberg.NestedField{ID: i + 1, Name: col.Name, Type: typ, Required: required(target, col), Doc: col.Doc}
	}
	for _, name := range target.Key {
		i := target.Columns.Index(name)
		if i < 0 {
			return nil, terminal(fmt.Errorf("table %s: no key column %s", target.Name, name))
		}
		if t := target.Columns[i].Type; t == etl.Float || t == etl.Double {
			return nil, terminal(fmt.Errorf("table %s: key column %s: %v cannot identify rows", target.Name, name, t))
		}
		if target.Mode != etl.ModeHistory { // where keys repeat
			ids = append(ids, i+1)
		}
	}
	return iceberg.NewSchemaWithIdentifiers(0, ids, fields...), nil
}

func required(target etl.Target, col etl.Column) bool {
	for _, k := range target.Key {
		if k == col.Name {
			return true
		}
	}
	return col.Required
}

func icebergType(t etl.Type) (iceberg.Type, error) {
	if p, s, ok := t.DecimalSize(); ok {
		return iceberg.DecimalTypeOf(p, s), nil
	}
	switch t {
	case etl.Bool:
		return iceberg.PrimitiveTypes.Bool, nil
	case etl.Int:
		return iceberg.PrimitiveTypes.Int32, nil
	case etl.Long:
		return iceberg.PrimitiveTypes.Int64, nil
	case etl.Float:
		return iceberg.PrimitiveTypes.Float32, nil
	case etl.Double:
		return iceberg.PrimitiveTypes.Float64, nil
	case etl.Date:
		return iceberg.PrimitiveTypes.Date, nil
	case etl.Timestamp:
		return iceberg.PrimitiveTypes.Timestamp, nil
	case etl.TimestampTZ:
		return iceberg.PrimitiveTypes.TimestampTz, nil
	case etl.String:
		return iceberg.PrimitiveTypes.String, nil
	case etl.Binary:
		return iceberg.PrimitiveTypes.Binary, nil
	case etl.UUID:
		return iceberg.PrimitiveTypes.UUID, nil
	}
	return nil, fmt.Errorf("type %v has no counterpart in Iceberg", t)
}

// propertiesOf are those of a new table: encodings that every reader takes,
// row-level changes by delete files for other writers too, no replay of commits
// by libraries, and no bounds for sensitive columns.
func propertiesOf(target etl.Target) iceberg.Properties {
	props := iceberg.Properties{
		table.PropertyFormatVersion:               "2",
		table.ParquetCompressionKey:               "zstd",
		table.ParquetCompressionLevelKey:          "1",
		table.ParquetPageVersionKey:               "v1",
		table.MetadataDeleteAfterCommitEnabledKey: "true",
		table.MetadataPreviousVersionsMaxKey:      "100",
		table.WriteDeleteModeKey:                  table.WriteModeMergeOnRead,
		"write.update.mode":                       table.WriteModeMergeOnRead,
		"write.merge.mode":                        table.WriteModeMergeOnRead,
		table.ParquetRowGroupLimitKey:             "262144", // finer to pass over, less to buffer
		table.CommitNumRetriesKey:                 "0",
	}
	if len(target.Key) == 1 && target.Mode != etl.ModeHistory { // for other writers; this one looks at the data
		props[propColumnDictionary+target.Key[0]] = "false"
	}
	maps.Copy(props, target.Properties)
	if props[table.PropertyFormatVersion] != "3" {
		props[table.PropertyFormatVersion] = "2"
	}
	for _, col := range target.Columns {
		if col.Sensitive {
			props[table.MetricsModeColumnConfPrefix+"."+col.Name] = "none"
		}
	}
	return props
}
