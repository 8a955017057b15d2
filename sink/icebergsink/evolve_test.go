package icebergsink_test

import (
	"testing"

	"github.com/apache/iceberg-go"
	"github.com/stretchr/testify/require"

	"github.com/tidemark-data/etl"
)

// evolvable is the table of people with a contract that lets everything evolve.
func evolvable(change ...func(*etl.Table)) etl.Table {
	t := people()
	t.Columns = append(t.Columns, etl.Column{Name: "n", Type: etl.Int, Required: true})
	t.Contract = etl.Contract{New: etl.Evolve, Type: etl.Evolve, Null: etl.Evolve}
	for _, f := range change {
		f(&t)
	}
	return t
}

func field(t *testing.T, l *lake, name string) iceberg.NestedField {
	f, ok := l.iceberg().Schema().FindFieldByName(name)
	require.True(t, ok, name)
	return f
}

func TestSchemaAndRowsAreOneCommit(t *testing.T) {
	for name, props := range map[string]map[string]string{
		"version 2": nil, "copy-on-write": {"tidemark.write-mode": "copy-on-write"}, "version 3": {"format-version": "3"},
	} {
		t.Run(name, func(t *testing.T) {
			l := newLake(t, evolvable(func(t *etl.Table) { t.Properties = props }))
			l.apply(etl.Full, row{"id": 1, "name": "a", "at": 1, "n": 1}, row{"id": 2, "name": "b", "at": 2, "n": 2})
			nameID, nID, versions := field(t, l, "name").ID, field(t, l, "n").ID, len(metadataLog(l))

			l.table.Renamed = map[string]string{"name": "title"}
			l.table.Columns = etl.Columns{
				{Name: "id", Type: etl.Long}, {Name: "title", Type: etl.String, Doc: "of honour"}, {Name: "at", Type: etl.Long},
				{Name: "n", Type: etl.Long}, {Name: "secret", Type: etl.String, Sensitive: true},
			}
			receipt := l.apply(etl.Incremental, row{"op": "U", "id": 2, "title": "c", "at": 3, "n": nil, "secret": "s"})
			require.Len(t, metadataLog(l), versions+1, "more than one commit")
			require.Len(t, receipt.Evolved.Changes, 5)
			require.Equal(t, nameID, field(t, l, "title").ID)
			require.Equal(t, "of honour", field(t, l, "title").Doc)
			require.Equal(t, iceberg.NestedField{ID: nID, Name: "n", Type: iceberg.PrimitiveTypes.Int64}, field(t, l, "n"))
			require.Equal(t, 5, field(t, l, "secret").ID)
			require.Equal(t, "none", l.iceberg().Properties()["write.metadata.metrics.column.secret"])
			snap := l.iceberg().CurrentSnapshot()
			require.Equal(t, l.iceberg().Schema().ID, *snap.SchemaID)
			require.NotEqual(t, snap.SchemaID, l.iceberg().Metadata().SnapshotByID(*snap.ParentSnapshotID).SchemaID)
			require.Equal(t, []string{"1|a|1|1|(null)", "2|c|3|(null)|s"}, l.rows())

			again, found, err := l.sink.Applied(t.Context(), l.target(), receipt.LoadID)
			require.NoError(t, err)
			require.True(t, found)
			require.Equal(t, receipt.Evolved, again.Evolved, "who finds the load does not learn what evolved")

			l.table.Dropped = map[string]etl.DropRule{"secret": etl.DropRemove}
			l.table.Columns = l.table.Columns[:4]
			l.apply(etl.Incremental, row{"op": "U", "id": 1, "title": "d", "at": 4, "n": 1 << 40})
			l.table.Dropped, l.table.Columns = nil, append(l.table.Columns[:4:4], etl.Column{Name: "secret", Type: etl.String})
			l.apply(etl.Incremental, row{"op": "U", "id": 3, "title": "e", "at": 5, "n": 1, "secret": "new"})
			require.Equal(t, 6, field(t, l, "secret").ID, "the id of a dropped column is used again")
			require.Equal(t, []string{"1|d|4|1099511627776|(null)", "2|c|3|(null)|(null)", "3|e|5|1|new"}, l.rows())
		})
	}
}

func metadataLog(l *lake) (out []string) {
	for e := range l.iceberg().Metadata().PreviousFiles() {
		out = append(out, e.MetadataFile)
	}
	return out
}

func TestSchemaChangesThatAreRefused(t *testing.T) {
	for name, change := range map[string]func(*etl.Table){
		"without a contract": func(t *etl.Table) {
			t.Contract = etl.Contract{}
			t.Columns = append(t.Columns, etl.Column{Name: "x", Type: etl.Long})
		},
		"drop of what partitions it": func(t *etl.Table) {
			t.Columns = t.Columns[:3]
			t.Dropped = map[string]etl.DropRule{"n": etl.DropRemove}
		},
		"wider partition column":   func(t *etl.Table) { t.Columns[3].Type = etl.Long },
		"text in place of numbers": func(t *etl.Table) { t.Columns[2].Type = etl.String },
	} {
		t.Run(name, func(t *testing.T) {
			l := newLake(t, evolvable(func(t *etl.Table) {
				t.Partition = []etl.PartitionField{{Column: "n", Transform: "identity"}}
			}))
			l.apply(etl.Full, row{"id": 1, "name": "a", "at": 1, "n": 1})
			before := l.iceberg().MetadataLocation()
			l.table.Columns = append(etl.Columns{}, l.table.Columns...)
			l.table.Partition = nil // as the declaration may forget what the table still is
			change(&l.table)
			load, changes := l.land(etl.Incremental, row{"op": "U", "id": 1, "name": "b", "at": 2, "n": 1})
			_, err := l.sink.Apply(t.Context(), l.target(), load, changes)
			require.Equal(t, etl.Terminal, etl.OutcomeOf(err), "%v", err)
			require.Equal(t, before, l.iceberg().MetadataLocation())
		})
	}
}
