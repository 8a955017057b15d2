package s3source_test

import (
	"bytes"
	"fmt"
	"testing"
	"time"

	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/stretchr/testify/require"

	"github.com/tidemark-data/etl"
	"github.com/tidemark-data/etl/control"
	"github.com/tidemark-data/etl/etltest/awstest"
	"github.com/tidemark-data/etl/format"
	"github.com/tidemark-data/etl/lock"
	"github.com/tidemark-data/etl/sink"
	"github.com/tidemark-data/etl/source/s3source"
)

// TestRunnerOverABadNetwork loads a table from objects of many parts, of which
// every few answers break off.
func TestRunnerOverABadNetwork(t *testing.T) {
	fake := awstest.NewS3(awstest.S3Options{Hook: func(r awstest.S3Request) awstest.S3Fault {
		switch {
		case r.Op == "PutObject":
			return awstest.S3Fault{}
		case r.N%11 == 0:
			return awstest.S3Fault{Err: awstest.S3SlowDown()}
		}
		return awstest.S3Fault{Break: r.N%5 == 0, After: int64(r.N * 7919 % 60000)}
	}}, bucket)
	const rows = 40_000
	var full, changes bytes.Buffer
	want := int64(0)
	for i := range rows {
		fmt.Fprintf(&full, "%d,%d\n", i, i)
		switch i % 4 {
		case 0:
			fmt.Fprintf(&changes, "U,%d,%d\n", i, 2*i)
			want += int64(2 * i)
		case 1:
			fmt.Fprintf(&changes, "D,%d,\n", i)
		default:
			want += int64(i)
		}
	}
	put(t, fake, "mpd/counts/LOAD00000001.csv", full.Bytes())
	put(t, fake, "mpd/counts/20240220-110825123.csv", changes.Bytes())

	table := etl.Table{
		Name: "mpd.counts", Key: []string{"id"}, Op: etl.OpColumn{Column: "Op"},
		Columns: etl.Columns{{Name: "id", Type: etl.Long}, {Name: "n", Type: etl.Long}},
	}
	table.Format = format.CSV{Null: "NULL"}.ForTable(table)
	tables := sink.NewMemory()
	runner, err := etl.New(etl.Config{
		Source:  newSource(t, fake, s3source.Options{PartSize: 64 << 10, Attempts: 20}),
		Control: control.NewMemory(), Locker: lock.NewMemory(), Sink: tables, Layout: format.DMS{}, Tables: []etl.Table{table},
		Retry: etl.RetryPolicy{Attempts: 1, Base: time.Millisecond, Max: time.Millisecond},
	})
	require.NoError(t, err)
	_, err = runner.Ingest(t.Context())
	require.NoError(t, err)
	count, sum := 0, int64(0)
	for batch, err := range tables.Scan(t.Context(), table.Name) {
		require.NoError(t, err)
		values := batch.Column(1).(*array.Int64)
		count += values.Len()
		for i := range values.Len() {
			sum += values.Value(i)
		}
	}
	require.Equal(t, rows*3/4, count)
	require.Equal(t, want, sum)
}
