package config_test

import (
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tidemark-data/etl/internal/config"
)

func TestDispatcherDefaults(t *testing.T) {
	c, err := config.Parse("/etc/t.yaml", []byte(small))
	require.NoError(t, err)
	require.Nil(t, c.Spark)
	require.True(t, c.Job.Await)

	c, err = config.Parse("/etc/t.yaml", []byte(small+"dispatcher: {kind: spark-submit, command: spark/bin/spark-submit, python: python3}\njob: {await: false}\n"))
	require.NoError(t, err)
	require.Equal(t, filepath.FromSlash("/etc/lake/jobs"), c.Spark.Folder)
	require.Equal(t, filepath.FromSlash("/etc/spark/bin/spark-submit"), c.Spark.Command)
	require.Equal(t, "python3", c.Spark.Python)
	require.False(t, c.Job.Await)
}

func TestDispatcherProblems(t *testing.T) {
	for section, want := range map[string]string{
		"dispatcher: {}":           "dispatcher: kind is missing",
		"dispatcher: {kind: glue}": `dispatcher.kind: "glue" is not spark-submit`,
		"dispatcher: {kind: spark-submit, folder: 's3://b'}": "dispatcher.folder: is a URL",
		"dispatcher: {kind: spark-submit, conf: [a]}":        "dispatcher.conf: is a list",
		"dispatcher: {kind: spark-submit, limit: -1}":        "dispatcher.limit: must not be negative",
		"job: {poll: 5}":      "job.poll: is a number; a duration",
		"job: {awaits: true}": "job.awaits: unknown key",
	} {
		_, err := config.Parse("t.yaml", []byte(small+section+"\n"))
		require.ErrorContains(t, err, want, section)
	}
}

func TestOpenHasADispatcher(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, os.Mkdir(filepath.Join(dir, "in"), 0o700))
	file := filepath.Join(dir, "t.yaml")
	require.NoError(t, os.WriteFile(file, []byte(small+"dispatcher: {kind: spark-submit}\njob: {poll: 7s}\n"), 0o600))
	c, err := config.Load(file)
	require.NoError(t, err)
	cfg, closing, err := c.Open(t.Context(), slog.New(slog.DiscardHandler))
	require.NoError(t, err)
	defer func() { require.NoError(t, closing()) }()
	require.NotNil(t, cfg.Dispatcher)
	require.True(t, cfg.AwaitJobs)
	require.Equal(t, "7s", cfg.JobPoll.String())
	require.True(t, strings.HasPrefix(c.Spark.Folder, dir))
}
