package icebergsink_test

import (
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tidemark-data/etl"
	"github.com/tidemark-data/etl/sink/icebergsink"
)

func TestDeclare(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s, err := icebergsink.Open(t.Context(), icebergsink.Config{Warehouse: "file://" + dir + "/lake", Catalog: dir + "/c.db"})
	require.NoError(t, err)
	defer s.Close()
	d, err := s.Declare()
	require.NoError(t, err)
	lake := filepath.ToSlash(filepath.Join(dir, "lake"))
	require.Equal(t, etl.Declaration{Kind: "iceberg", Options: map[string]any{
		"catalog": "tidemark", "type": "jdbc", "uri": "jdbc:sqlite:" + filepath.ToSlash(filepath.Join(dir, "c.db")),
		"warehouse": lake, "side": lake + "/.tidemark", "properties": map[string]string{"jdbc.busy_timeout": "10000"},
	}}, d)

	_, err = icebergsink.New(nil, icebergsink.Options{}).Declare()
	require.ErrorContains(t, err, "known to this process only")
}
