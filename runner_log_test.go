package etl_test

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// Log lines carry what an operator searches for, and no cell values.
func TestLogLines(t *testing.T) {
	p := newPipeline(t, people())
	var out bytes.Buffer
	p.config.Logger = slog.New(slog.NewJSONHandler(&out, &slog.HandlerOptions{Level: slog.LevelDebug}))
	p.restart()
	p.land("hr/people/LOAD00000001.csv", "1,Ann,\n")
	p.ingest()
	p.land("hr/people/20240220-110825123.csv", "U,secret,Ann,\n")
	_, err := p.runner.Ingest(t.Context())
	require.Error(t, err)
	require.NotContains(t, out.String(), "secret")
	lines := map[string]map[string]any{}
	for _, l := range strings.Split(strings.TrimSpace(out.String()), "\n") {
		var m map[string]any
		require.NoError(t, json.Unmarshal([]byte(l), &m))
		lines[m["msg"].(string)] = m
	}
	require.EqualValues(t, 1, lines["load applied"]["run"])
	require.EqualValues(t, 2, lines["load not applied"]["run"])
	require.NotEmpty(t, lines["load not applied"]["load"])
	require.Equal(t, "hr/people/20240220-110825123.csv", lines["registered"]["file"])
	require.Equal(t, "hr/people/20240220-110825123.csv", lines["paused"]["file"])
	require.EqualValues(t, 1, lines["paused"]["row"])
	require.Equal(t, "id", lines["paused"]["column"])
}
