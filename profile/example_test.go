package profile_test

import (
	"context"
	"database/sql"
	"fmt"
	"os"
	"path/filepath"

	_ "modernc.org/sqlite"

	"github.com/tidemark-data/etl"
	"github.com/tidemark-data/etl/format"
	"github.com/tidemark-data/etl/profile"
)

// A database is compared with what was exported from it.
func Example() {
	folder, err := os.MkdirTemp("", "profile-")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = os.RemoveAll(folder) }()
	db, err := sql.Open("sqlite", filepath.Join(folder, "source.db"))
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = db.Close() }()
	_, err = db.Exec(`CREATE TABLE incidents (ccn INTEGER, offense TEXT); INSERT INTO incidents VALUES (1, 'THEFT'), (2, 'ARSON'), (3, NULL)`)
	if err != nil {
		fmt.Println(err)
		return
	}
	export := filepath.Join(folder, "incidents.csv")
	if err := os.WriteFile(export, []byte("ccn,offense\n1,THEFT\n2,THEFT\n3,\n"), 0o600); err != nil {
		fmt.Println(err)
		return
	}

	ctx := context.Background()
	incidents := etl.Table{
		Name: "mpd.incidents", Key: []string{"ccn"}, Format: format.CSV{Header: true},
		Columns: etl.Columns{{Name: "ccn", Type: etl.Long}, {Name: "offense", Type: etl.String}},
	}
	there, err := profile.Of(ctx, profile.SQL{DB: db, Query: "SELECT * FROM incidents"}, incidents.Columns)
	if err != nil {
		fmt.Println(err)
		return
	}
	here, err := profile.Of(ctx, profile.File{Table: incidents, Location: "incidents.csv", Open: profile.Local(export)}, incidents.Columns)
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, v := range profile.Compare(there, here, profile.Tolerance{}).Columns {
		fmt.Println(v.Name, v.Match, v.Source.Distinct, v.Table.Distinct, v.Differs)
	}
	// Output:
	// ccn true 3 3 []
	// offense false 2 1 [distinct min]
}
