package profile_test

import (
	"database/sql"
	"fmt"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	_ "modernc.org/sqlite"

	"github.com/tidemark-data/etl"
	"github.com/tidemark-data/etl/profile"
)

func database(t *testing.T, statements ...string) *sql.DB {
	db, err := sql.Open("sqlite", filepath.Join(t.TempDir(), "hr.db"))
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, db.Close()) })
	for _, s := range statements {
		_, err := db.Exec(s)
		require.NoError(t, err, s)
	}
	return db
}

const createPeople = `CREATE TABLE people (ID INTEGER, name TEXT, pay NUMERIC, born DATE, seen TIMESTAMP, rate REAL, other BLOB)`

// TestQueryAgainstExport: a database and an export of it match.
func TestQueryAgainstExport(t *testing.T) {
	db := database(t, createPeople)
	tx, err := db.Begin()
	require.NoError(t, err)
	var content []byte
	for i := range 9000 {
		_, err := tx.Exec(`INSERT INTO people VALUES (?, ?, ?, ?, ?, ?, x'00')`, i, fmt.Sprint("n", i%100), fmt.Sprintf("%d.5", i%7),
			fmt.Sprintf("2000-01-%02d", 1+i%28), "2024-02-20 11:00:00", float64(i)/8)
		require.NoError(t, err)
		content = fmt.Appendf(content, "%d,n%d,%d.5,2000-01-%02d,2024-02-20 11:00:00,%v\n", i, i%100, i%7, 1+i%28, float64(i)/8)
	}
	require.NoError(t, tx.Commit())
	query := of(t, profile.SQL{DB: db, Query: `SELECT * FROM people WHERE ID < ?`, Args: []any{9000}})
	require.EqualValues(t, 9000, query.Rows)
	require.Equal(t, is("8999"), query.Columns[0].Max)
	c := profile.Compare(query, of(t, export(people, string(content))), profile.Tolerance{})
	require.True(t, c.Match, "%+v", c)
}

func TestQueriesThatDoNotFit(t *testing.T) {
	db := database(t, createPeople, `INSERT INTO people (id, pay) VALUES (1, 2)`, `INSERT INTO people (id, pay) VALUES (2, 'secret')`)
	_, err := profile.Of(t.Context(), profile.SQL{DB: db, Query: `SELECT id, pay FROM people ORDER BY id`}, people.Columns)
	require.EqualError(t, err, "row 2 of query: column pay: not a decimal")
	_, err = profile.Of(t.Context(), profile.SQL{DB: db, Query: `SELECT nothing FROM people`}, people.Columns)
	require.ErrorContains(t, err, "query: ")
	p, err := profile.Of(t.Context(), profile.SQL{DB: db, Query: `SELECT id FROM people`}, people.Columns)
	require.NoError(t, err)
	require.True(t, p.Columns[1].Missing)
	require.Equal(t, etl.String, p.Columns[1].Type)
}
