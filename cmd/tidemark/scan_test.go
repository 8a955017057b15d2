package main

import (
	"context"
	"iter"
	"strings"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/stretchr/testify/require"

	"github.com/tidemark-data/etl"
)

func scanRows(t *testing.T, sink etl.Sink, table string) []string {
	t.Helper()
	scanner := sink.(interface {
		Scan(context.Context, string, ...string) iter.Seq2[arrow.RecordBatch, error]
	})
	rows := []string{}
	for rec, err := range scanner.Scan(context.Background(), table) {
		require.NoError(t, err)
		for i := range int(rec.NumRows()) {
			cells := make([]string, rec.NumCols())
			for c := range cells {
				cells[c] = strings.Clone(rec.Column(c).ValueStr(i))
			}
			rows = append(rows, strings.Join(cells, "|"))
		}
	}
	return rows
}
