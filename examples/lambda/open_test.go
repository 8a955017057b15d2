package main

import (
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestSettings(t *testing.T) {
	env := map[string]string{
		"TIDEMARK_GRACE": "20s", "TIDEMARK_MARGIN": "2m", "TIDEMARK_METRICS": "Lake",
		"TIDEMARK_DMS_TASKS": "arn:aws:dms:a:task:A=hr.people,hr.teams; arn:aws:dms:a:task:B=shop.orders;",
	}
	get := func(name string) string { return env[name] }
	s, err := readSettings(get)
	require.NoError(t, err)
	require.Equal(t, 20*time.Second, s.parts.Grace)
	require.Equal(t, 2*time.Minute, s.margin)
	require.NotNil(t, s.observer.LoadApplied)
	require.Equal(t, []string{"hr.people", "hr.teams"}, s.parts.TaskTables("arn:aws:dms:a:task:A"))
	require.Equal(t, []string{"shop.orders"}, s.parts.TaskTables("arn:aws:dms:a:task:B"))
	require.Empty(t, s.parts.TaskTables("arn:aws:dms:a:task:C"))

	env["TIDEMARK_GRACE"], env["TIDEMARK_MARGIN"], env["TIDEMARK_DMS_TASKS"] = "soon", "-1s", "arn"
	_, err = readSettings(get)
	for _, name := range []string{"TIDEMARK_GRACE", "TIDEMARK_MARGIN", "TIDEMARK_DMS_TASKS"} {
		require.ErrorContains(t, err, name)
	}
}

func TestOpenOnAWS(t *testing.T) {
	t.Setenv("AWS_REGION", "eu-west-1")
	t.Setenv("AWS_ACCESS_KEY_ID", "id")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "secret")
	file := filepath.Join(t.TempDir(), "tidemark.yaml")
	require.NoError(t, os.WriteFile(file, []byte(yaml), 0o644))
	env := map[string]string{
		"TIDEMARK_CONFIG": file, "TIDEMARK_LANDING": "s3://raw/dms", "TIDEMARK_CONTROL_TABLE": "tidemark",
		"TIDEMARK_WAREHOUSE": "s3://lake/warehouse",
	}
	get := func(name string) string { return env[name] }
	h, err := open(t.Context(), get, slog.New(slog.DiscardHandler))
	require.NoError(t, err)
	require.NoError(t, h.Close())

	env["TIDEMARK_WAREHOUSE"] = ""
	_, err = open(t.Context(), get, slog.New(slog.DiscardHandler))
	require.ErrorContains(t, err, "warehouse")
	_, err = open(t.Context(), func(name string) string {
		return map[string]string{"TIDEMARK_CONFIG": filepath.Join(filepath.Dir(file), "none.yaml")}[name]
	}, slog.New(slog.DiscardHandler))
	require.ErrorIs(t, err, os.ErrNotExist)
}
