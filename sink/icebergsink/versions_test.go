package icebergsink_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tidemark-data/etl"
)

// TestVersionsOfKeys: several rows of a key are found, closed and replaced in each write
// mode. Rows of the full load stay below all changes, however often they are written
// anew, and its files keep their sequence number.
// TestVersionsAsDifference: a full load ends what it does not have, leaves what it has
// unchanged, and puts versions on top of the others.
func TestVersionsAsDifference(t *testing.T) {
	for _, m := range modes() {
		t.Run(m.name, func(t *testing.T) {
			table := people()
			table.Mode, table.OrderBy, table.Properties = etl.ModeHistory, []string{"at"}, m.props
			l := newLake(t, table)
			l.apply(etl.Full, ins(1, "a", 50), ins(2, "b", 50), ins(3, "c", 50))
			l.apply(etl.Incremental, upd(3, "c2", 60), del(4))
			load, _ := l.land(etl.Full, ins(1, "a", 50), ins(3, "c3", 50), ins(4, "d", 50))
			load.Difference = true
			r, err := l.open().Apply(t.Context(), l.target(), load, l.changes(load))
			require.NoError(t, err)
			require.Equal(t, etl.Counts{Read: 3, Inserted: 2, Unchanged: 1, RemovedAsAbsent: 1, RowsBefore: 4, RowsAfter: 7}, r.Counts)
			l.apply(etl.Incremental, upd(3, "late", 55))
			require.Equal(t, []string{
				"1|a|50|00:00:01|-|true|false", "2|b|50|00:00:01|00:00:03|false|false", "2|b|50|00:00:03|-|true|true",
				"3|c2|60|00:00:02|00:00:03|false|false", "3|c3|50|00:00:03|00:00:04|false|false", "3|c|50|00:00:01|00:00:02|false|false",
				"3|late|55|00:00:04|-|true|false", "4|d|50|00:00:03|-|true|false",
			}, versionLines(l))
		})
	}
}

func TestVersionsOfKeys(t *testing.T) {
	for _, m := range modes() {
		t.Run(m.name, func(t *testing.T) {
			table := people()
			table.Mode, table.FullLoads, table.OrderBy, table.Properties = etl.ModeHistory, etl.FullReplace, []string{"at"}, m.props
			l := newLake(t, table)
			l.apply(etl.Full, ins(1, "a", 50), ins(2, "b", 50))
			base := l.entries(0)[0]
			r := l.apply(etl.Incremental, upd(1, "a2", 60), upd(1, "a3", 70), del(2))
			require.Equal(t, etl.Counts{Read: 3, Inserted: 3, RowsBefore: 2, RowsAfter: 5}, r.Counts)
			r = l.apply(etl.Incremental, upd(1, "late", 40), upd(1, "a4", 70))
			require.Equal(t, etl.Counts{Read: 2, Inserted: 1, Updated: 1, RowsBefore: 5, RowsAfter: 6}, r.Counts)
			require.Equal(t, []string{
				"1|a2|60|00:00:02|00:00:02|false|false", "1|a4|70|00:00:02|-|true|false",
				"1|a|50|00:00:01|00:00:02|false|false", "1|late|40|00:00:02|00:00:02|false|false",
				"2|b|50|00:00:01|00:00:02|false|false", "2|b|50|00:00:02|-|true|true",
			}, versionLines(l))
			var old int
			for _, e := range l.entries(0) {
				if e.seq == base.seq {
					old++
				}
			}
			require.Positive(t, old, "the full load's rows keep their sequence number")
			require.Empty(t, l.iceberg().Schema().IdentifierFieldIDs)
		})
	}
}

// versionLines are the rows of the table, with times for moments.
func versionLines(l *lake) []string {
	lines := l.rows()
	for i, line := range lines {
		lines[i] = strings.NewReplacer("1970-01-01T", "", "Z", "", "(null)", "-").Replace(line)
	}
	return lines
}
