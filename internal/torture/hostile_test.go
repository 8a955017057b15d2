package torture

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tidemark-data/etl"
	"github.com/tidemark-data/etl/control/sqlitecontrol"
	"github.com/tidemark-data/etl/etltest"
	"github.com/tidemark-data/etl/format"
	"github.com/tidemark-data/etl/lock/sqlitelock"
	"github.com/tidemark-data/etl/sink/icebergsink"
	"github.com/tidemark-data/etl/source"
)

// TestHostileNames takes locations that mean harm through the whole pipeline:
// they are data, never paths, and come out of the ledger as they went in.
func TestHostileNames(t *testing.T) {
	names := []string{
		"../../etc/passwd", "..", "/abs/olute", "a/../../b", "c:\\windows\\x", "with space.csv", "a+b%2Fc.csv", "per%00cent",
		"quote'\";--.csv", "new\nline.csv", "tab\t.csv", "ünïcödé/日本/🚓.csv", "\u202egnp.csv", "$(touch x)", "`touch y`", "*?[a]",
		"-rf", ".hidden", "nul\x00byte", strings.Repeat("x", 1024), strings.Repeat("ü", 512), "s3://other/bucket", "//double//slash//",
	}
	ctx, dir := context.Background(), t.TempDir()
	lake, err := icebergsink.Open(ctx, icebergsink.Config{Warehouse: filepath.Join(dir, "warehouse")})
	require.NoError(t, err)
	defer lake.Close()
	ledger, err := sqlitecontrol.Open(filepath.Join(dir, "control.db"))
	require.NoError(t, err)
	defer ledger.Close()
	bucket := source.NewMemory()
	var want etltest.Rows
	for i, name := range names {
		bucket.Put(name, fmt.Appendf(nil, "%d,file\n", i), time.Unix(1_700_000_000, 0))
		want = append(want, []any{i, "file"})
	}
	runner, err := etl.New(etl.Config{
		Source: bucket, Control: ledger, Locker: sqlitelock.New(ledger.DB()), Sink: lake, Format: format.CSV{},
		Layout: etl.LayoutFunc(func(location string) (etl.Placement, bool) {
			return etl.Placement{Table: "a.b", Kind: etl.Incremental, Order: location}, true
		}),
		Tables: []etl.Table{{Name: "a.b", Key: []string{"id"}, MaxBatchFiles: 5, Late: etl.LateApply, Columns: etl.Columns{{Name: "id", Type: etl.Long}, {Name: "v", Type: etl.String}}}},
	})
	require.NoError(t, err)
	_, err = runner.Ingest(ctx)
	require.NoError(t, err)
	got, err := etltest.ReadRows(ctx, lake, "a.b")
	require.NoError(t, err)
	require.Empty(t, want.Diff(got))

	locations := map[string]bool{}
	for rec, err := range ledger.Files(ctx, etl.FileQuery{Table: "a.b", Statuses: []etl.FileStatus{etl.Applied}}) {
		require.NoError(t, err)
		locations[rec.Location] = true
	}
	for _, name := range names {
		require.True(t, locations[name], "%q", name)
	}
	require.NoError(t, filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		for _, part := range []string{"passwd", "olute", "touch", "hidden", "xxxx"} {
			require.NotContains(t, path[len(dir):], part)
		}
		return err
	}))
	_, err = os.Stat("x")
	require.ErrorIs(t, err, fs.ErrNotExist)

	// In errors such a name is quoted, so that it cannot forge a line of a log.
	bucket.Put("zz\nfile 1 of fine.csv: all is well", []byte("secret,file\n"), time.Unix(1_700_000_001, 0))
	_, err = runner.Ingest(ctx)
	require.ErrorContains(t, err, `row 1 of "zz\nfile 1 of fine.csv: all is well": column id`)
	require.NotContains(t, err.Error(), "secret")
}
