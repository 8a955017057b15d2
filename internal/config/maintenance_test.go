package config_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tidemark-data/etl"
	"github.com/tidemark-data/etl/internal/config"
)

func TestMaintenance(t *testing.T) {
	c, err := config.Load("reference.yaml")
	require.NoError(t, err)
	want := etl.Maintenance{Auto: true}.WithDefaults()
	require.Equal(t, want, c.Tables[0].Maintenance, "the reference shows the defaults")
	require.Zero(t, c.Tables[1].Maintenance)

	parse := func(text string) (etl.Maintenance, error) {
		c, err := config.Parse("t.yaml", []byte(small+"    maintenance: "+text+"\n"))
		if err != nil {
			return etl.Maintenance{}, err
		}
		return c.Tables[0].Maintenance, nil
	}
	m, err := parse("{small_files: never, delete_ratio: never, snapshots: {age: never, keep: 3}, orphans: never}")
	require.NoError(t, err)
	require.Equal(t, etl.Maintenance{SmallFiles: -1, DeleteRatio: -1, SnapshotAge: -1, KeepSnapshots: 3, OrphanAge: -1}, m)
	m, err = parse("{delete_ratio: 1, orphans: 2d}")
	require.NoError(t, err)
	require.Equal(t, etl.Maintenance{DeleteRatio: 1, OrphanAge: 48 * time.Hour}, m)

	for text, want := range map[string]string{
		"{small_files: 0}":        "small_files: is zero",
		"{small_files: 1}":        "one file cannot be merged",
		"{delete_ratio: -0.5}":    "delete_ratio: must not be negative",
		"{delete_ratio: 2}":       "at most 1",
		"{delete_ratio: x}":       "delete_ratio: is text; a share such as 0.3",
		"{orphans: 5m}":           "at least 1h",
		"{orphans: 0s}":           "orphans: is zero",
		"{snapshots: {old: 5d}}":  "snapshots.old: unknown key",
		"{snapshots: {age: -5m}}": "must not be negative",
		"true":                    "a mapping such as auto: true is expected",
	} {
		_, err := parse(text)
		require.Error(t, err, text)
		require.Contains(t, strings.ReplaceAll(err.Error(), "tables[0].maintenance.", ""), want, text)
	}
}
