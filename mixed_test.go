package etl_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tidemark-data/etl"
	"github.com/tidemark-data/etl/control"
	"github.com/tidemark-data/etl/format"
	"github.com/tidemark-data/etl/lock"
	"github.com/tidemark-data/etl/quarantine"
)

// shares are two tables that take their changes from files of several tables, and one
// that does not.
func shares() []etl.Table {
	var out []etl.Table
	for _, name := range []string{"hr.people", "hr.jobs", "hr.plain"} {
		t := people()
		t.Name, t.Op, t.Format = name, etl.OpColumn{}, format.DMSTransactions{}
		out = append(out, t)
	}
	out[2].Format, out[2].Op = format.CSV{}, etl.OpColumn{Column: "op"}
	return out
}

func newShares(t *testing.T) *pipeline {
	p := newPipeline(t, shares()...)
	p.config.Layout = format.DMS{CdcPath: "cdc"}
	p.restart()
	return p
}

func transaction(n int) string { return fmt.Sprintf("cdc/CDC_TXN-20240220110%03d123.csv", n) }

// ledger returns the records of a table: location, part and status.
func (p *pipeline) ledger(table string) (out []string) {
	for rec, err := range p.config.Control.Files(context.Background(), etl.FileQuery{Table: table}) {
		require.NoError(p.t, err)
		name := rec.Location[strings.LastIndexByte(rec.Location, '/')+1:]
		out = append(out, strings.TrimSpace(fmt.Sprint(name, " ", rec.Status, " ", rec.Part)))
	}
	slices.Sort(out)
	return out
}

func TestFilesOfSeveralTables(t *testing.T) {
	p := newShares(t)
	p.land("hr/people/LOAD00000001.csv", "1,Ann,\n2,Bob,\n")
	p.land("hr/jobs/LOAD00000001.csv", "1,clerk,\n")
	p.land("hr/plain/LOAD00000001.csv", "1,x,\n")
	p.land(transaction(1), "I,jobs,hr,2,boss,\nI,jobs,hr,3,help,\nI,nobody,hr,x\nU,people,hr,1,Anna,\nD,people,hr,2,,\n")
	p.land(transaction(2), "U,people,hr,1,Annie,\n")
	rep := p.ingest()
	require.Equal(t, 5, rep.Listed)
	require.Equal(t, 7, rep.Registered, "two files feed two tables each")
	require.Zero(t, rep.SetAside)
	require.Equal(t, []string{"1,Annie,-"}, p.rows("hr.people"), "the later file wins, although its row number is smaller")
	require.Equal(t, []string{"1,clerk,-", "2,boss,-", "3,help,-"}, p.rows("hr.jobs"), "a file without its rows is applied")
	require.Equal(t, []string{"1,x,-"}, p.rows("hr.plain"))
	require.Equal(t, []string{"CDC_TXN-20240220110001123.csv applied hr.people", "CDC_TXN-20240220110002123.csv applied hr.people", "LOAD00000001.csv applied"}, p.ledger("hr.people"))
	require.Equal(t, []string{"CDC_TXN-20240220110001123.csv applied hr.jobs", "CDC_TXN-20240220110002123.csv applied hr.jobs", "LOAD00000001.csv applied"}, p.ledger("hr.jobs"))
	require.Equal(t, []string{"LOAD00000001.csv applied"}, p.ledger("hr.plain"))
	require.Zero(t, p.ingest().Registered, "known by now")
}

func TestAMistakeInAShareIsItsTablesAlone(t *testing.T) {
	p := newShares(t)
	p.land(transaction(1), "I,people,hr,1,Ann,\nI,jobs,hr,secret,boss,\nI,people,hr,2,Bob,\n")
	_, err := p.runner.Ingest(context.Background())
	require.ErrorContains(t, err, "row 2 of "+transaction(1)+": column id: not a long")
	require.NotContains(t, err.Error(), "secret")
	require.Equal(t, []string{"1,Ann,-", "2,Bob,-"}, p.rows("hr.people"))
	require.Equal(t, []string{"CDC_TXN-20240220110001123.csv failed hr.jobs"}, p.ledger("hr.jobs"))
	require.NoError(t, p.runner.Skip(context.Background(), "hr.jobs", transaction(1)))
	p.ingest()
	require.Equal(t, []string{"CDC_TXN-20240220110001123.csv skipped hr.jobs"}, p.ledger("hr.jobs"))
}

func TestFilesOfSeveralTablesThatNobodyTakes(t *testing.T) {
	tables := shares()[2:]
	p := newPipeline(t, tables...)
	p.config.Layout = format.DMS{CdcPath: "cdc"}
	p.restart()
	p.land(transaction(1), "I,people,hr,1,Ann,\n")
	require.Equal(t, 1, p.ingest().SetAside)
	require.Equal(t, []string{"CDC_TXN-20240220110001123.csv set_aside"}, p.ledger(""))

	p.config.Tables = shares()
	p.restart()
	require.Equal(t, 2, p.ingest().Registered)
	require.Equal(t, []string{"1,Ann,-"}, p.rows("hr.people"))
	require.Empty(t, p.ledger(""), "it waits for nobody any more")
	p.ingest()
	require.Equal(t, []string{"CDC_TXN-20240220110001123.csv applied hr.people", "CDC_TXN-20240220110001123.csv superseded"}, p.ledger("hr.people"))
	require.Equal(t, []string{"CDC_TXN-20240220110001123.csv applied hr.jobs"}, p.ledger("hr.jobs"))
}

// TestSharesOfBigFiles: places of rows are right over many chunks, files and parts, in
// memory and spilled.
func TestSharesOfBigFiles(t *testing.T) {
	for _, budget := range []int64{0, 1} {
		p := newShares(t)
		p.config.MemoryBudget = budget
		p.restart()
		want := map[int]string{}
		for file := range 4 {
			var b strings.Builder
			for row := range 300 {
				id, name := (row*7+file)%120, fmt.Sprint("f", file, "r", row)
				switch {
				case row%3 == 0:
					fmt.Fprintf(&b, "U,jobs,hr,%d,%s,\n", id, name)
				case row%11 == 0:
					fmt.Fprintf(&b, "D,people,hr,%d,,\n", id)
					delete(want, id)
				default:
					fmt.Fprintf(&b, "U,people,hr,%d,%s,\n", id, name)
					want[id] = name
				}
			}
			p.land(transaction(file), b.String())
		}
		p.ingest()
		var rows []string
		for id, name := range want {
			rows = append(rows, fmt.Sprintf("%d,%s,-", id, name))
		}
		slices.Sort(rows)
		require.Equal(t, rows, p.rows("hr.people"))
	}
}

func TestAnObjectIsDisposedOfWhenAllTablesHaveIt(t *testing.T) {
	p := newShares(t)
	s := &tidySource{Memory: p.source}
	p.config.Source = s
	p.restart()
	ctx := context.Background()
	require.NoError(t, p.runner.Pause(ctx, "hr.jobs", "later"))
	p.land(transaction(1), "I,people,hr,1,Ann,\n")
	p.ingest()
	p.ingest()
	require.Equal(t, []string{"CDC_TXN-20240220110001123.csv applied hr.people"}, p.ledger("hr.people"))
	require.Empty(t, s.heard, "hr.jobs has not seen it")
	require.NoError(t, p.runner.Resume(ctx, "hr.jobs"))
	p.ingest()
	require.Contains(t, s.heard, "applied "+transaction(1))
	p.ingest()
	for _, table := range []string{"hr.people", "hr.jobs"} {
		st, err := p.config.Control.State(ctx, table)
		require.NoError(t, err)
		require.Empty(t, st.Disposals)
	}

	s.heard = nil
	p.land(transaction(2), "I,people,hr,2,Bob,\nI,jobs,hr,bad,,\n")
	_, err := p.runner.Ingest(ctx)
	require.Error(t, err)
	require.Empty(t, s.heard, "it may be retried")
	require.NoError(t, p.runner.Skip(ctx, "hr.jobs"))
	p.ingest()
	require.Equal(t, "skipped "+transaction(2), s.heard[0], "not all of it is in the tables")
}

func TestRebuildOfShares(t *testing.T) {
	p := newShares(t)
	p.land("hr/people/LOAD00000001.csv", "1,Ann,\n")
	p.land(transaction(1), "U,people,hr,1,Anna,\nI,jobs,hr,1,clerk,\n")
	p.ingest()
	p.config.Control, p.config.Locker = control.NewMemory(), lock.NewMemory()
	p.restart()
	p.land(transaction(2), "U,people,hr,1,Annie,\n")
	ctx := context.Background()
	require.NoError(t, p.runner.Rebuild(ctx, "hr.people"))
	require.Equal(t, []string{"CDC_TXN-20240220110001123.csv applied hr.people", "CDC_TXN-20240220110002123.csv pending hr.people", "LOAD00000001.csv applied"}, p.ledger("hr.people"))
	require.NoError(t, p.runner.Resume(ctx, "hr.people"))
	p.ingest()
	require.Equal(t, []string{"1,Annie,-"}, p.rows("hr.people"))
	require.Equal(t, []string{"1,clerk,-"}, p.rows("hr.jobs"), "found in the table by its ID, if it is done again")
}

func TestPartsAreFilesOfTheirOwn(t *testing.T) {
	whole := etl.File{Location: "a", ETag: "b"}
	one, other := whole, whole
	one.Part, other.Part = "x.y", "x.z"
	require.NotEqual(t, whole.ID(), one.ID())
	require.NotEqual(t, other.ID(), one.ID())
	require.Equal(t, whole, one.Object())
	require.Equal(t, "4321dc2c5643a81b34439ba1148fc884", whole.ID(), "the ID of whole files stays what it was")
}

// TestAShareMayBeEmpty: a file of several tables need not have rows of each, but a file
// of the table's own must have some, whatever way it is read.
func TestAShareMayBeEmpty(t *testing.T) {
	for name, change := range map[string]func(*etl.Table, *etl.Config){
		"upsert":        func(*etl.Table, *etl.Config) {},
		"spilled":       func(_ *etl.Table, c *etl.Config) { c.MemoryBudget = 1 },
		"one candidate": func(t *etl.Table, _ *etl.Config) { t.OrderBy = []string{"seq"} },
		"soft delete":   func(t *etl.Table, _ *etl.Config) { t.Mode, t.OrderBy = etl.ModeSoftDelete, []string{"seq"} },
		"append":        func(t *etl.Table, _ *etl.Config) { t.Mode, t.Key = etl.ModeAppend, nil },
		"bad rows": func(t *etl.Table, c *etl.Config) {
			t.BadRows, c.Quarantine = etl.ErrorBudget{Rows: 9}, quarantine.NewMemory()
		},
	} {
		t.Run(name, func(t *testing.T) {
			p := newShares(t)
			p.config.Tables = p.config.Tables[:1]
			change(&p.config.Tables[0], &p.config)
			p.restart()
			p.land(transaction(1), "I,people,hr,1,Ann,4\n")
			p.land(transaction(2), "I,nobody,hr,x\n")
			p.land(transaction(3), "")
			p.ingest()
			for n, line := range p.ledger("hr.people") {
				require.Equal(t, fmt.Sprintf("CDC_TXN-20240220110%03d123.csv applied hr.people", n+1), line)
			}
			p.land("hr/people/20240220-120000000.csv", "I,nobody,hr,x\n")
			_, err := p.runner.Ingest(t.Context())
			require.ErrorContains(t, err, "hr/people/20240220-120000000.csv: file has no rows")
		})
	}
}
