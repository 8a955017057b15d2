package catalogsink

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strconv"

	"github.com/apache/iceberg-go"
	"github.com/apache/iceberg-go/table"

	"github.com/tidemark-data/etl"
)

// A staged load that needs other columns adds their schema to the table when the
// staging is opened, without making it the current one: the ids of new columns are
// taken from then on, and the staged files are written with them. Readers of the table
// see the schema with the snapshot that publishes the files.

// stageSchema is the schema of a staging; none where its table has no contract.
type stageSchema struct {
	id, base int
	given    bool
	made     *remake // what has to be added to the table first, relative to what is there
}

func stageSchemaOf(summary iceberg.Properties) stageSchema {
	id, err := strconv.Atoi(summary[propStageSchema])
	base, berr := strconv.Atoi(summary[propStageBase])
	return stageSchema{id: id, base: base, given: err == nil && berr == nil}
}

// mark puts the schema into the summary of the branch's head.
func (s stageSchema) mark(head *table.Snapshot) {
	if !s.given {
		return
	}
	head.SchemaID = &s.id
	head.Summary.Properties[propStageSchema] = strconv.Itoa(s.id)
	head.Summary.Properties[propStageBase] = strconv.Itoa(s.base)
}

// stagingSchema is the schema that a staging needs, or has already.
func stagingSchema(tbl *table.Table, own *stagedBranch, target etl.Target) (stageSchema, error) {
	if target.Evolution == nil {
		return stageSchema{}, checkTable(tbl, target)
	}
	current := tbl.Metadata().CurrentSchema().ID
	s := stageSchema{id: current, base: current, given: true}
	if own != nil && own.schema.given {
		s = own.schema
		var err error
		if tbl, err = s.staged(tbl, target); err != nil {
			return s, err
		}
	}
	_, made, err := remade(tbl, target)
	if err != nil {
		return s, err
	}
	if made.remakes() {
		for _, c := range made.record.Changes {
			if own != nil && c.Kind != etl.ColumnOptional {
				return s, terminal(fmt.Errorf("table %s: %v, which was declared while load was staged; reload the table: %w", target.Name, c, etl.ErrContract))
			}
		}
		s.id, s.made = made.schema.ID, made
	}
	return s, nil
}

// staged is the table with the schema of the staging.
func (s stageSchema) staged(tbl *table.Table, target etl.Target) (*table.Table, error) {
	if tbl.Metadata().CurrentSchema().ID != s.base {
		return nil, terminal(fmt.Errorf("table %s: its schema was changed while a full load was staged; reload the table", target.Name))
	}
	b, err := table.MetadataBuilderFromBase(tbl.Metadata(), "")
	if err == nil {
		err = b.SetCurrentSchemaID(s.id)
	}
	var meta table.Metadata
	if err == nil {
		meta, err = b.Build()
	}
	if err != nil {
		return nil, terminal(fmt.Errorf("table %s: the schema of the staging: %w", target.Name, err))
	}
	return table.New(tbl.Identifier(), meta, tbl.MetadataLocation(), tbl.FS, nil), nil
}

// table is the table as staged files are written for it, and what publishing them does
// to its schema. Who stages may know less than the schema does of which columns have
// become optional; who publishes must not.
func (s stageSchema) table(tbl *table.Table, target etl.Target, publishes bool) (*table.Table, *remake, error) {
	if !s.given || target.Evolution == nil {
		return tbl, nil, checkTable(tbl, target)
	}
	next, err := s.staged(tbl, target)
	if err != nil {
		return nil, nil, err
	}
	if !publishes {
		target.Columns = slices.Clone(target.Columns)
		for i, c := range target.Columns {
			if f, ok := next.Schema().FindFieldByName(c.Name); ok && !f.Required {
				target.Columns[i].Required = false
			}
		}
		return next, nil, checkTable(next, target)
	}
	if err := checkTable(next, target); err != nil {
		return nil, nil, err
	}
	current, err := columnsOf(tbl, target)
	if err != nil {
		return nil, nil, err
	}
	changes, err := target.Changes(current)
	if err != nil {
		return nil, nil, err
	}
	r := &remake{base: tbl.Metadata(), schema: next.Schema(), record: target.Evolution.Recorded(changes), changed: s.id != s.base}
	if r.record == nil {
		return next, nil, nil
	}
	r.props = privateOf(target, changes)
	if err := remap(tbl, next.Schema(), r.props); err != nil {
		return nil, nil, terminal(fmt.Errorf("table %s: property %s: %w", target.Name, nameMapping, err))
	}
	return next, r, nil
}

// putStaging opens a branch without files, or gives the one that there is another
// schema. It returns what nothing refers to then.
func (w *work) putStaging(c *stageCommit, own *stagedBranch, schema stageSchema) (litter []string, err error) {
	if schema.made != nil {
		meta := w.tbl.Metadata()
		c.reqs = append(c.reqs, table.AssertCurrentSchemaID(schema.base), table.AssertLastAssignedFieldID(meta.LastColumnID()))
		c.updates = append(c.updates, table.NewAddSchemaUpdate(schema.made.schema))
	}
	if own == nil {
		return nil, c.put(w.newRevision(), w.load, nil, schema, nil, nil)
	}
	manifests, err := own.head.Manifests(w.fs)
	if errors.Is(err, fs.ErrNotExist) { // removed with a head that has just been replaced
		return nil, &conflictError{err}
	}
	if err != nil {
		return nil, fmt.Errorf("table %s: manifest list: %w", w.target.Name, err)
	}
	c.reqs = append(c.reqs, table.AssertRefSnapshotID(own.name, &own.head.SnapshotID))
	return []string{own.head.ManifestList}, c.put(w.newRevision(), w.load, own, schema, own.files, manifests)
}
