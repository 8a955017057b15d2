package config_test

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tidemark-data/etl"
	"github.com/tidemark-data/etl/internal/config"
)

func TestBadRows(t *testing.T) {
	top := "quarantine: {folder: bad}\n"
	for text, want := range map[string]etl.ErrorBudget{
		"":                                      {},
		"    bad_rows: {rows: 10}\n":            {Rows: 10},
		"    bad_rows: {share: 1%}\n":           {Share: 0.01},
		"    bad_rows: {rows: 3, share: 50%}\n": {Rows: 3, Share: 0.5},
	} {
		c, err := config.Parse("etc/t.yaml", []byte(top+small+text))
		require.NoError(t, err, text)
		require.Equal(t, want, c.Tables[0].BadRows)
		require.Equal(t, filepath.Join("etc", "bad"), c.Quarantine)
	}
	for text, want := range map[string]string{
		top + small + "    bad_rows: {rows: -1}\n":    "bad_rows.rows: must not be negative",
		top + small + "    bad_rows: {share: 101%}\n": "bad_rows.share",
		top + small + "    bad_rows: {lines: 3}\n":    "bad_rows.lines: unknown key",
		top + small + "    bad_rows: 3\n":             "a mapping with rows and share is expected",
		small + "    bad_rows: {rows: 1}\n":           "bad_rows needs quarantine",
		"quarantine: {dir: x}\n" + small:              "quarantine.dir: unknown key",
		"quarantine: {folder: 's3://x'}\n" + small:    "is a URL",
	} {
		_, err := config.Parse("t.yaml", []byte(text))
		require.ErrorContains(t, err, want, text)
		require.Contains(t, err.Error(), "t.yaml:", strings.TrimSpace(text))
	}
}
