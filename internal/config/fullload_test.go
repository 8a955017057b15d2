package config_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tidemark-data/etl"
	"github.com/tidemark-data/etl/internal/config"
)

func TestFullLoads(t *testing.T) {
	parse := func(text string) (etl.Table, error) {
		c, err := config.Parse("t.yaml", []byte(small+text))
		if err != nil {
			return etl.Table{}, err
		}
		return c.Tables[0], nil
	}
	none, err := parse("")
	require.NoError(t, err)
	require.Zero(t, none.FullLoads)
	require.Zero(t, none.Staging)
	got, err := parse("    full_load: difference\n    staging: {mode: always, min_bytes: 1GiB, min_files: 20, workers: 3}\n")
	require.NoError(t, err)
	require.Equal(t, etl.FullDifference, got.FullLoads)
	require.Equal(t, etl.Staging{Mode: etl.StageAlways, MinBytes: 1 << 30, MinFiles: 20, Workers: 3}, got.Staging)

	for text, want := range map[string]string{
		"full_load: diff":           `full loads "diff" are not replace or difference`,
		"staging: {mode: often}":    `staging "often" is not auto, always or never`,
		"staging: {min_files: -1}":  "staging.min_files: must not be negative",
		"staging: {threads: 3}":     "staging.threads: unknown key",
		"staging: always":           "a mapping with mode, min_bytes, min_files and workers is expected",
		"staging: {min_bytes: big}": "staging.min_bytes",
	} {
		_, err := parse("    " + text + "\n")
		require.ErrorContains(t, err, want, text)
	}
}
