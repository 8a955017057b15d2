package parquetformat_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	etl "github.com/tidemark-data/etl"
	"github.com/tidemark-data/etl/format/parquetformat"
)

func TestDeclare(t *testing.T) {
	for _, test := range []struct {
		format parquetformat.Format
		want   map[string]any
	}{
		{parquetformat.Format{}, map[string]any{"any_zone": false, "max_footer_bytes": int64(64 << 20), "max_page_bytes": int64(256 << 20)}},
		{parquetformat.Format{AnyZone: true, MaxFooterBytes: 1, MaxPageBytes: 2}, map[string]any{"any_zone": true, "max_footer_bytes": int64(1), "max_page_bytes": int64(2)}},
	} {
		got, err := test.format.Declare()
		require.NoError(t, err)
		require.Equal(t, etl.Declaration{Kind: "parquet", Options: test.want}, got)
	}
	_, err := parquetformat.Format{MaxPageBytes: -1}.Declare()
	require.Equal(t, etl.Terminal, etl.OutcomeOf(err))
}
