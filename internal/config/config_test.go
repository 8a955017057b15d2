package config_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tidemark-data/etl"
	"github.com/tidemark-data/etl/dispatch/sparkdispatch"
	"github.com/tidemark-data/etl/dispatch/sparkjob"
	"github.com/tidemark-data/etl/format"
	"github.com/tidemark-data/etl/format/avroformat"
	"github.com/tidemark-data/etl/format/parquetformat"
	"github.com/tidemark-data/etl/internal/config"
)

func TestReference(t *testing.T) {
	c, err := config.Load("reference.yaml")
	require.NoError(t, err)
	require.Equal(t, "landing", c.Source)
	require.Equal(t, filepath.Join("lake", "control.db"), c.State)
	require.Equal(t, 2*time.Second, c.MinAge)
	require.Equal(t, int64(256<<20), c.MemoryBudget)
	require.Equal(t, etl.RetryPolicy{Attempts: 6, Base: 100 * time.Millisecond, Max: 20 * time.Second}, c.Retry)

	require.Equal(t, &sparkdispatch.Config{
		Command: "spark-submit", Master: "local[*]", Python: "python3", Folder: "jobs",
		Conf:     map[string]string{"spark.driver.memory": "4g"},
		Packages: []string{sparkjob.IcebergPackage, sparkjob.SQLitePackage}, Jars: []string{filepath.Join("jars", "extra.jar")},
		Limit: 1, Grace: 10 * time.Second, KeepFor: 7 * 24 * time.Hour, KeepLast: 20,
	}, c.Spark)
	require.Equal(t, config.Job{Poll: 15 * time.Second, Timeout: 2 * time.Hour, Attempts: 3, Await: true, LocalLimit: time.Hour}, c.Job)

	require.Len(t, c.Tables, 9)
	in := c.Tables[0]
	require.Equal(t, "mpd.incidents", in.Name)
	require.Equal(t, etl.OpColumn{Column: "Op"}, in.Op)
	require.Equal(t, etl.Completion{Quiet: 30 * time.Second}, in.Completion)
	require.Equal(t, 7*24*time.Hour, in.TombstoneRetention)
	require.Equal(t, []etl.PartitionField{{Column: "report_dat", Transform: "month"}, {Column: "ccn", Transform: "bucket", N: 16}}, in.Partition)
	require.Equal(t, etl.Column{Name: "amount", Type: etl.Decimal(12, 2)}, in.Columns[6])
	require.Equal(t, etl.Column{Name: "victim", Type: etl.String, Sensitive: true}, in.Columns[5])
	csv := in.Format.(format.CSV)
	require.True(t, csv.Header)
	require.Equal(t, "NULL", csv.Null)
	require.Equal(t, "@same", *csv.NotSupplied)

	require.Equal(t, parquetformat.Format{AnyZone: true, MaxFooterBytes: 64 << 20, MaxPageBytes: 256 << 20}, c.Tables[1].Format)
	require.Equal(t, etl.Columns{{Name: "arrest_id", Type: etl.Long}, {Name: "arrested_at", Type: etl.Timestamp}}, c.Tables[1].Columns)
	require.Equal(t, format.Debezium{
		Unit: format.Micros, Units: map[string]format.TimeUnit{"changed_at": format.Millis}, Unavailable: true, DecimalText: true,
	}, c.Tables[3].Format)
	require.Equal(t, avroformat.Format{Events: true, Unavailable: true, AnyZone: true, MaxBlockBytes: 64 << 20}, c.Tables[4].Format)
	people := c.Tables[5].Format.(format.DMSTransactions)
	require.Equal(t, [...]any{"MPD", "PEOPLE", true}, [...]any{people.Schema, people.Table, people.LowerCase})
	require.Equal(t, "@same", *people.CSV.NotSupplied, "taken over from the file's csv")
	units := c.Tables[6].Format.(format.CSV)
	require.Equal(t, []string{"Op", "unit", "-", "station"}, units.ChangeColumns)
	require.Equal(t, "NULL", units.Null, "taken over from the file's csv")
	require.Equal(t, etl.ModeSoftDelete, c.Tables[6].Mode)
	require.Equal(t, etl.ModeColumns{Deleted: "is_deleted", DeletedAt: "deleted_at"}, c.Tables[6].ModeColumns)
	require.Equal(t, etl.ModeAppend, c.Tables[7].Mode)
	require.Empty(t, c.Tables[7].Key)
	require.Equal(t, etl.ModeHistory, c.Tables[8].Mode)
	require.Equal(t, etl.ModeColumns{ValidFrom: "valid_from", ValidTo: "valid_to", Current: "is_current", Deleted: "is_deleted"}, c.Tables[8].ModeColumns)

	p, ok := c.Layout.Place("dms/MPD/incidents/LOAD00000001.csv")
	require.True(t, ok)
	require.Equal(t, "mpd.incidents", p.Table)
	_, ok = c.Layout.Place("dms/mpd/incidents/broken.csv")
	require.False(t, ok)
	p, _ = c.Layout.Place("dms/cdc/CDC_TXN-20240220110825123.csv")
	require.Equal(t, etl.Placement{Mixed: true, Kind: etl.Incremental, Order: "202402201108251230"}, p)
	p, _ = c.Layout.Place("dms/cdc/by-hand.csv")
	require.True(t, p.Mixed)
	p, _ = c.Layout.Place("dms/mpd/incidents/fix-1.csv")
	require.Equal(t, etl.Placement{Table: "mpd.incidents", Kind: etl.Incremental, Order: "20240318093000500"}, p)
}

// The reference must show every key that the decoder knows.
func TestReferenceIsWhole(t *testing.T) {
	reference, err := os.ReadFile("reference.yaml")
	require.NoError(t, err)
	sources, err := filepath.Glob("*.go")
	require.NoError(t, err)
	keys := 0
	for _, name := range sources {
		src, err := os.ReadFile(name)
		require.NoError(t, err)
		for _, call := range []string{`.get("`, `.need("`} {
			for _, rest := range strings.Split(string(src), call)[1:] {
				key, _, _ := strings.Cut(rest, `"`)
				if strings.HasSuffix(name, "_test.go") {
					continue
				}
				require.Contains(t, string(reference), key+":", "key %s of %s", key, name)
				keys++
			}
		}
	}
	require.Greater(t, keys, 40)
}

const small = `source: {dir: in}
state: lake/c.db
warehouse: lake
layout: {dms: {}}
tables:
  - name: a.b
    key: id
    columns: {id: long}
`

func TestDefaults(t *testing.T) {
	c, err := config.Parse("/etc/tidemark/t.yaml", []byte(small))
	require.NoError(t, err)
	require.Equal(t, filepath.FromSlash("/etc/tidemark/lake/catalog.db"), c.Catalog)
	require.Equal(t, format.CSV{}, c.Tables[0].Format)
}

func TestProblems(t *testing.T) {
	for name, tc := range map[string]struct{ old, new, want string }{
		"unknown key":        {"state:", "stat:", "t.yaml:2: stat: unknown key; known are avro, catalog, csv, debezium"},
		"missing key":        {"state: lake/c.db\n", "", "t.yaml:1: state is missing"},
		"duplicate key":      {"warehouse: lake", "warehouse: lake\nwarehouse: pond", "t.yaml:4: warehouse: is there twice, first in line 3"},
		"wrong type":         {"{dir: in}", "{dir: [in]}", "t.yaml:1: source.dir: is a list; text is expected"},
		"number for text":    {"key: id", "key: 7", "t.yaml:7: tables[0].key: is a number"},
		"no value":           {"key: id", "key:", "t.yaml:7: tables[0].key: has no value"},
		"column type":        {"id: long", "id: int64", `t.yaml:8: tables[0].columns.id: type "int64" is not bool`},
		"column detail":      {"id: long", "id: {type: long, requird: true}", "t.yaml:8: tables[0].columns.id.requird: unknown key"},
		"undeclared key":     {"key: id", "key: no", "t.yaml:6: tables[0]: table a.b: key column no is not declared"},
		"duplicate column":   {"{id: long}", "{id: long, id: int}", "t.yaml:8: tables[0].columns.id: is there twice"},
		"duration":           {"key: id", "key: id\n    settle: 5", "t.yaml:8: tables[0].settle: is a number; a duration"},
		"negative duration":  {"key: id", "key: id\n    settle: -5s", "t.yaml:8: tables[0].settle: must not be negative"},
		"size":               {"state:", "memory: 3 potatoes\nstate:", `t.yaml:2: memory: "3 potatoes" is not a size`},
		"size overflow":      {"state:", "memory: 9999999999TiB\nstate:", "t.yaml:2: memory: is too large"},
		"two layouts":        {"{dms: {}}", "{dms: {}, patterns: []}", "t.yaml:4: layout.patterns: a layout has dms or patterns"},
		"pattern":            {"{dms: {}}", "{patterns: [{match: '(', table: a.b, kind: full}]}", "t.yaml:4: layout.patterns[0]: match: error parsing regexp"},
		"pattern kind":       {"{dms: {}}", "{patterns: [{match: x, table: a.b, kind: half}]}", `t.yaml:4: layout.patterns[0].kind: "half" is not full or incremental`},
		"two formats":        {"key: id", "key: id\n    csv: {}\n    parquet: {}", "t.yaml:9: tables[0].parquet: files are of one format"},
		"header and columns": {"key: id", "key: id\n    csv: {header: true, full_columns: [id]}", "t.yaml:8: tables[0].csv: has a header or lists"},
		"delimiter":          {"key: id", "key: id\n    csv: {delimiter: ';;'}", "t.yaml:8: tables[0].csv.delimiter: is not one ASCII character"},
		"op code":            {"key: id", "key: id\n    op: {column: o, codes: {I: insert}}", `t.yaml:8: tables[0].op.codes.I: "insert" is not upsert or delete`},
		"partition":          {"key: id", "key: id\n    partition: [bucket(16, id)]", "t.yaml:8: tables[0].partition"},
		"completion":         {"key: id", "key: id\n    completion: {files: 2, quiet: 5s}", "t.yaml:6: tables[0]: table a.b: completion takes one of"},
		"flag":               {"key: id", "key: id\n    flag: X", "is not L, G, auto or P"},
		"url":                {"warehouse: lake", "warehouse: s3://bucket", "t.yaml:3: warehouse: is a URL"},
		"alias":              {"{id: long}", "*c", "anchors, aliases and tags are not supported"},
		"syntax":             {"{id: long}", "{id: long", "t.yaml:8: "},
		"tab":                {"    key: id", "\tkey: id", "t.yaml:7: "},
		"two documents":      {"tables:", "---\ntables:", "only one is expected"},
		"same table": {"tables:", "tables:\n  - {name: A.b, key: id, columns: {id: long}}",
			"t.yaml:7: tables[1]: has the name of tables[0], case apart"},
	} {
		t.Run(name, func(t *testing.T) {
			text := strings.Replace(small, tc.old, tc.new, 1)
			require.NotEqual(t, small, text)
			_, err := config.Parse("t.yaml", []byte(text))
			require.ErrorContains(t, err, tc.want)
		})
	}
}

func TestAllProblemsAreListed(t *testing.T) {
	text := strings.NewReplacer("state:", "stat:", "id: long", "id: lang", "key: id", "key: id\n    late: 3").Replace(small)
	_, err := config.Parse("t.yaml", []byte(text))
	var all config.Problems
	require.ErrorAs(t, err, &all)
	require.Len(t, all, 4, "%v", err)
	for i, line := range []int{1, 2, 8, 9} {
		require.Equal(t, line, all[i].Line)
	}
	var one config.Problem
	require.True(t, errors.As(err, &one))
}

func TestEmptyAndMissing(t *testing.T) {
	for _, text := range []string{"", "# nothing\n", "---\n", "[]", "text", "null"} {
		_, err := config.Parse("t.yaml", []byte(text))
		require.ErrorContains(t, err, "t.yaml:1: ", "%q", text)
	}
	_, err := config.Load(filepath.Join(t.TempDir(), "no.yaml"))
	require.ErrorIs(t, err, os.ErrNotExist)
	_, err = config.Parse("t.yaml", []byte(strings.Repeat("[", 200_000)))
	require.ErrorContains(t, err, "nested too deep")
	_, err = config.Parse("t.yaml", []byte("a: "+strings.Repeat("- ", 200_000)))
	require.Error(t, err)
}

func FuzzParse(f *testing.F) {
	reference, err := os.ReadFile("reference.yaml")
	require.NoError(f, err)
	f.Add(reference)
	f.Add([]byte(small))
	for _, s := range []string{"? a\n: b", "a: &x [*x]", "<<: *a", "!!int a: 1", "a: |\n  b", "- - - a", "{a: {b: [c", "a: .nan", "0x1F: 2", "\xef\xbb\xbfa: b", "tables: [{}]", "tables:\n- columns: [a: 1, {name: b}]"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		c, err := config.Parse("t.yaml", data)
		if err == nil {
			require.NotEmpty(t, c.Tables)
			require.NotNil(t, c.Layout)
			return
		}
		var all config.Problems
		require.ErrorAs(t, err, &all)
		require.NotEmpty(t, all)
		lines := strings.Count(string(data), "\n") + strings.Count(string(data), "\r") + 1
		for _, p := range all {
			require.True(t, p.Line >= 1 && p.Line <= lines, "line %d of %d", p.Line, lines)
			require.NotEmpty(t, p.Text)
		}
	})
}
