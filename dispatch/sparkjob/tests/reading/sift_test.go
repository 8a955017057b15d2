//go:build spark

package reading

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tidemark-data/etl"
)

// sifted is what both make of a file whose bad records are set aside.
type sifted struct {
	Rows  []int64           `json:"rows"`
	Bad   []mistake         `json:"bad"`
	Raw   map[string]string `json:"raw"` // the bytes of all records, by number
	Error *mistake          `json:"error"`
}

// TestBadRecords reads random files of each format with their bad records set aside.
func TestBadRecords(t *testing.T) {
	for name, make := range map[string]func(random, *testing.T) reading{
		"csv": random.csv, "json": random.json, "parquet": random.parquet, "transactions": random.transactions, "events": random.events, "avro": random.avro,
	} {
		t.Run(name, func(t *testing.T) {
			var cases []reading
			for i := range (*readings + 7) / 8 {
				cases = append(cases, make(newRandom(700+uint64(i)*1000+*readingSeed), t))
			}
			siftBoth(t, cases, name != "parquet")
		})
	}
}

// siftBoth has files read by both. some is set where there are to be bad records.
func siftBoth(t *testing.T, cases []reading, some bool) {
	dir := t.TempDir()
	var want []sifted
	for i, c := range cases {
		writeFile(t, filepath.Join(dir, fmt.Sprintf("%05d", i)), c)
		want = append(want, sift(t, c))
	}
	python(t, "sift.py", dir)
	var got []sifted
	readJSON(t, filepath.Join(dir, "out.json"), &got)
	rows, bad := 0, 0
	for i, w := range want {
		rows, bad = rows+len(w.Rows), bad+len(w.Bad)
		require.Equal(t, w, got[i], "file %d, %+v\n%q", i, cases[i].table.Format, cases[i].data[:min(len(cases[i].data), 600)])
	}
	t.Logf("%d files, %d records, %d of them bad", len(cases), rows+bad, bad)
	require.NotZero(t, rows)
	require.True(t, bad > 0 || !some)
}

func sift(t *testing.T, c reading) sifted {
	out := sifted{Rows: []int64{}, Bad: []mistake{}, Raw: map[string]string{}}
	k := newKeyed(c.table, c.kind)
	n := 0
	err := scanFile(c.table, c.data, etl.ScanRequest{Kind: c.kind, Columns: k.columns, Tolerant: true}, func(rows etl.Rows) error {
		out.Rows = append(out.Rows, rows.Numbers...)
		for _, b := range rows.Bad {
			out.Bad = append(out.Bad, *mistakeOf(b.Err))
		}
		n += len(rows.Numbers) + len(rows.Bad)
		return nil
	})
	if err == nil && n == 0 && !c.table.AllowEmpty && partOf(c.table, c.kind) == "" {
		err = &etl.RowError{File: location, Rule: "file has no rows"}
	}
	if err != nil {
		return sifted{Rows: []int64{}, Bad: []mistake{}, Raw: map[string]string{}, Error: mistakeOf(err)}
	}
	if n > 0 {
		out.Raw = rawOf(c, out)
	}
	return out
}

// rawOf are the bytes of the records that were read.
func rawOf(c reading, read sifted) map[string]string {
	numbers := slices.Clone(read.Rows)
	for _, b := range read.Bad {
		numbers = append(numbers, b.Row)
	}
	req := etl.ScanRequest{Location: location, Kind: c.kind, Select: func(n int64) bool { return slices.Contains(numbers, n) }}
	if op := c.table.Op.Column; op != "" && c.table.Columns.Index(op) < 0 {
		req.Columns = append(req.Columns, etl.ScanColumn{Column: etl.Column{Name: op, Type: etl.String}, Optional: true})
	}
	for _, col := range c.table.Columns {
		req.Columns = append(req.Columns, etl.ScanColumn{Column: col, Optional: true})
	}
	for i, name := range c.table.OldKey {
		col := c.table.Columns[c.table.Columns.Index(c.table.Key[i])]
		req.Columns = append(req.Columns, etl.ScanColumn{Column: etl.Column{Name: name, Type: col.Type}, Optional: true})
	}
	out := map[string]string{}
	for r, err := range c.table.Format.(etl.RawFormat).Raw(context.Background(), bytesInput{bytes.NewReader(c.data)}, req) {
		var re *etl.RowError
		if errors.As(err, &re) {
			return map[string]string{"0": hex.EncodeToString([]byte(re.Rule))}
		}
		out[strconv.FormatInt(r.Number, 10)] = hex.EncodeToString(append(r.Head, r.Data...))
	}
	return out
}
