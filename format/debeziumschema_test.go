package format_test

import (
	"bytes"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	etl "github.com/tidemark-data/etl"
	"github.com/tidemark-data/etl/format"
)

type bytesInput struct{ *bytes.Reader }

func (bytesInput) Close() error { return nil }

// Each event of a schema that is none is bad, not only the first of them.
func TestEveryEventOfABadSchemaIsBad(t *testing.T) {
	event := `{"schema":{"fields":[{"field":"after","fields":[{"field":"id","parameters":{"scale":"x"}}]}]},"payload":{"op":"c","after":{"id":1}}}` + "\n"
	req := etl.ScanRequest{Location: "f", Kind: etl.Incremental, Tolerant: true, Columns: []etl.ScanColumn{{Column: etl.Column{Name: "id", Type: etl.Long}}}}
	bad := 0
	for rows, err := range (format.Debezium{}).Scan(t.Context(), bytesInput{bytes.NewReader([]byte(strings.Repeat(event, 3)))}, req) {
		require.NoError(t, err)
		require.Empty(t, rows.Numbers)
		bad += len(rows.Bad)
	}
	require.Equal(t, 3, bad)
}
