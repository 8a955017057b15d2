package catalogsink

import (
	"encoding/json"
	"fmt"
	"slices"

	"github.com/apache/iceberg-go"
	"github.com/apache/iceberg-go/table"

	"github.com/tidemark-data/etl"
)

// A load that needs other columns commits them with its snapshot (Iceberg spec,
// "Schema Evolution"): columns keep their ids, new ones get ids that were never used.
// Older data files stay as they are; who reads them finds columns by id, fills in
// nulls for those that they lack, and widens values.

const (
	propSchema  = "tidemark.schema"             // what the load did, in the summary
	propEvolved = "tidemark.evolved"            // the evolved columns, in the properties
	nameMapping = "schema.name-mapping.default" // of files without field ids
)

// remake is a table whose schema a load changes.
type remake struct {
	base    table.Metadata
	schema  *iceberg.Schema
	record  *etl.SchemaRecord
	props   iceberg.Properties
	changed bool
}

// remade returns the table as it will be once the load has made it like the target.
func remade(tbl *table.Table, target etl.Target) (*table.Table, *remake, error) {
	if target.Evolution == nil {
		return tbl, nil, checkTable(tbl, target)
	}
	current, err := columnsOf(tbl, target)
	if err != nil {
		return nil, nil, err
	}
	changes, err := target.Changes(current)
	if err != nil {
		return nil, nil, err
	}
	record := target.Evolution.Recorded(changes)
	if len(changes) == 0 {
		r := &remake{record: record}
		if record == nil {
			r = nil
		}
		return tbl, r, checkTable(tbl, target)
	}
	if err := allowed(tbl, target, changes); err != nil {
		return nil, nil, err
	}
	schema, err := schemaAfter(tbl, target, changes)
	if err != nil {
		return nil, nil, err
	}
	b, err := table.MetadataBuilderFromBase(tbl.Metadata(), "")
	if err == nil {
		err = b.AddSchema(schema)
	}
	if err == nil {
		err = b.SetCurrentSchemaID(-1)
	}
	var meta table.Metadata
	if err == nil {
		meta, err = b.Build()
	}
	if err != nil {
		return nil, nil, terminal(fmt.Errorf("table %s: change the schema: %w", target.Name, err))
	}
	r := &remake{base: tbl.Metadata(), schema: meta.CurrentSchema(), record: record, props: privateOf(target, changes), changed: true}
	if err := remap(tbl, meta.CurrentSchema(), r.props); err != nil {
		return nil, nil, terminal(fmt.Errorf("table %s: property %s: %w", target.Name, nameMapping, err))
	}
	next := table.New(tbl.Identifier(), meta, tbl.MetadataLocation(), tbl.FS, nil)
	return next, r, checkTable(next, target)
}

// remap adds names to the mapping by which columns of files without field ids are
// found, if the table has one (Iceberg spec, "Column Projection"): former names stay,
// and a name is that of one column.
func remap(tbl *table.Table, schema *iceberg.Schema, props iceberg.Properties) error {
	text, ok := tbl.Properties()[nameMapping]
	if !ok {
		return nil
	}
	var mapping iceberg.NameMapping
	if err := json.Unmarshal([]byte(text), &mapping); err != nil {
		return err
	}
	for _, f := range schema.Fields() {
		own := slices.IndexFunc(mapping, func(m iceberg.MappedField) bool { return m.FieldID != nil && *m.FieldID == f.ID })
		if own < 0 {
			own = len(mapping)
			mapping = append(mapping, iceberg.MappedField{FieldID: &f.ID})
		}
		for i := range mapping {
			if i != own {
				mapping[i].Names = slices.DeleteFunc(slices.Clone(mapping[i].Names), func(n string) bool { return n == f.Name })
			} else if !slices.Contains(mapping[i].Names, f.Name) {
				mapping[i].Names = append(slices.Clone(mapping[i].Names), f.Name)
			}
		}
	}
	out, err := json.Marshal(mapping)
	props[nameMapping] = string(out)
	return err
}

// formerNames are those that a column has in files without field ids.
func formerNames(tbl *table.Table, id int) (names []string) {
	var mapping iceberg.NameMapping
	if json.Unmarshal([]byte(tbl.Properties()[nameMapping]), &mapping) != nil {
		return nil
	}
	for _, m := range mapping {
		if m.FieldID != nil && *m.FieldID == id {
			names = m.Names
		}
	}
	return names
}

// privateOf are properties by which other writers give no bounds of sensitive columns.
func privateOf(target etl.Target, changes []etl.SchemaChange) iceberg.Properties {
	props := iceberg.Properties{}
	for _, c := range changes {
		i := target.Columns.Index(c.Column)
		if i >= 0 && target.Columns[i].Sensitive && (c.Kind == etl.ColumnAdded || c.Kind == etl.ColumnRenamed) {
			props[table.MetricsModeColumnConfPrefix+"."+c.Column] = "none"
		}
	}
	return props
}

// columnsOf describes the columns of a table as a declaration would.
func columnsOf(tbl *table.Table, target etl.Target) (etl.Columns, error) {
	if v := tbl.Metadata().Version(); v != 2 && v != 3 {
		return nil, terminal(fmt.Errorf("table %s is of format version %d; only versions 2 and 3 are supported", target.Name, v))
	}
	var out etl.Columns
	for _, f := range tbl.Schema().Fields() {
		typ, ok := typeOf(f.Type)
		if !ok {
			return nil, terminal(fmt.Errorf("table %s: column %s is %v, which no column is declared as", target.Name, f.Name, f.Type))
		}
		// Key columns are required whatever their declaration says.
		declared := f.Required
		if i := target.Columns.Index(f.Name); i >= 0 && !target.Columns[i].Required && required(target, target.Columns[i]) {
			declared = false
		}
		out = append(out, etl.Column{Name: f.Name, Type: typ, Required: declared, Doc: f.Doc})
	}
	return out, nil
}

func typeOf(t iceberg.Type) (etl.Type, bool) {
	if d, ok := t.(iceberg.DecimalType); ok {
		return etl.Decimal(d.Precision(), d.Scale()), true
	}
	for typ := etl.Bool; typ <= etl.UUID; typ++ {
		if own, err := icebergType(typ); err == nil && own.Equals(t) {
			return typ, true
		}
	}
	return 0, false
}

// allowed refuses what the table as it is forbids beyond what the target tells.
func allowed(tbl *table.Table, target etl.Target, changes []etl.SchemaChange) error {
	for _, c := range changes {
		name := c.Column
		if c.Kind == etl.ColumnRenamed {
			name = c.Former
		}
		f, ok := tbl.Schema().FindFieldByName(name)
		if !ok || c.Kind != etl.ColumnDropped && c.Kind != etl.ColumnWidened {
			continue
		}
		for _, spec := range tbl.Metadata().PartitionSpecs() {
			for _, p := range spec.Fields() {
				if _, bucket := p.Transform.(iceberg.BucketTransform); bucket && c.Kind == etl.ColumnWidened {
					continue // equal numbers in both types
				}
				if p.SourceID() == f.ID {
					return terminal(fmt.Errorf("table %s: column %s: the table is, or was, partitioned by it: %w", target.Name, name, etl.ErrContract))
				}
			}
		}
		for _, order := range tbl.Metadata().SortOrders() {
			for _, s := range order.Fields() {
				if s.SourceID() == f.ID && c.Kind == etl.ColumnDropped {
					return terminal(fmt.Errorf("table %s: column %s: the table is, or was, sorted by it: %w", target.Name, name, etl.ErrContract))
				}
			}
		}
	}
	return nil
}

// schemaAfter makes the changes to the table's schema.
func schemaAfter(tbl *table.Table, target etl.Target, changes []etl.SchemaChange) (*iceberg.Schema, error) {
	fields := slices.Clone(tbl.Schema().Fields())
	last := tbl.Metadata().LastColumnID()
	for _, c := range changes {
		i := slices.IndexFunc(fields, func(f iceberg.NestedField) bool {
			return f.Name == c.Column || c.Kind == etl.ColumnRenamed && f.Name == c.Former
		})
		if c.Kind == etl.ColumnAdded {
			typ, err := icebergType(c.Type)
			if err != nil || i >= 0 {
				return nil, terminal(fmt.Errorf("table %s: column %s cannot be added", target.Name, c.Column))
			}
			last++
			fields = append(fields, iceberg.NestedField{ID: last, Name: c.Column, Type: typ, Doc: c.Doc})
			continue
		}
		if i < 0 {
			return nil, terminal(fmt.Errorf("table %s: no column %s", target.Name, c.Column))
		}
		switch c.Kind {
		case etl.ColumnRenamed:
			fields[i].Name = c.Column
		case etl.ColumnWidened:
			typ, err := icebergType(c.Type)
			if err != nil {
				return nil, terminal(err)
			}
			fields[i].Type = typ
		case etl.ColumnOptional:
			fields[i].Required = false
		case etl.ColumnDocumented:
			fields[i].Doc = c.Doc
		case etl.ColumnDropped:
			fields = slices.Delete(fields, i, i+1)
		}
	}
	id := 0
	for _, s := range tbl.Metadata().Schemas() {
		id = max(id, s.ID+1)
	}
	return iceberg.NewSchemaWithIdentifiers(id, slices.Clone(tbl.Schema().IdentifierFieldIDs), fields...), nil
}

// remakes reports whether the commit changes the schema.
func (r *remake) remakes() bool { return r != nil && r.changed }

// requirements and updates are those of the commit.
func (r *remake) requirements() []table.Requirement {
	if !r.remakes() {
		return nil
	}
	return []table.Requirement{table.AssertCurrentSchemaID(r.base.CurrentSchema().ID), table.AssertLastAssignedFieldID(r.base.LastColumnID())}
}

func (r *remake) updates() []table.Update {
	if !r.remakes() {
		return nil
	}
	return []table.Update{table.NewAddSchemaUpdate(r.schema), table.NewSetCurrentSchemaUpdate(-1)}
}

// marks adds what is kept of the schema to the summary and the properties.
func (r *remake) marks(summary, props iceberg.Properties) {
	if r == nil {
		return
	}
	if text, err := json.Marshal(r.record); err == nil {
		summary[propSchema] = string(text)
	}
	if text, err := json.Marshal(r.record.Columns); err == nil {
		props[propEvolved] = string(text)
	}
	for k, v := range r.props {
		props[k] = v
	}
}

func recordOf(summary iceberg.Properties) *etl.SchemaRecord {
	var r etl.SchemaRecord
	if text := summary[propSchema]; text == "" || json.Unmarshal([]byte(text), &r) != nil {
		return nil
	}
	return &r
}

// evolvedOf reads the evolved columns from a table's properties: as the schema, they
// outlive roll-backs.
func evolvedOf(props iceberg.Properties) []etl.EvolvedColumn {
	var out []etl.EvolvedColumn
	if text := props[propEvolved]; text == "" || json.Unmarshal([]byte(text), &out) != nil {
		return nil
	}
	return out
}
