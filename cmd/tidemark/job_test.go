package main

import (
	"encoding/json"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tidemark-data/etl"
	"github.com/tidemark-data/etl/control/sqlitecontrol"
)

func TestPlanAndHistoryTellTheEngine(t *testing.T) {
	b := newBench(t, people)
	b.want(exitOK, "flag", "hr.people", "auto")
	b.land(fullFile, fullPeople)
	b.want(exitOK, "ingest")
	require.Regexp(t, `(?m)^\S+ \S+ +hr\.people +applied +L +1 +2 .*full load of 1 files; .*: L$`, b.want(exitOK, "history").stdout)
	b.want(exitOK, "reload", "hr.people")
	require.Regexp(t, `(?m)^hr\.people +full +L +2 +1 +0 +full load of 1 files opens epoch 2; .*: L$`, b.want(exitOK, "plan").stdout)
}

func TestCancel(t *testing.T) {
	b := newBench(t, people)
	b.land(fullFile, fullPeople)
	r := b.want(exitError, "cancel", "hr.people")
	require.Contains(t, r.stderr, "no job works on table hr.people")

	store, err := sqlitecontrol.Open(filepath.Join(b.dir, "control.db"))
	require.NoError(t, err)
	st, err := store.State(t.Context(), "hr.people")
	require.NoError(t, err)
	ref := etl.JobRef{Engine: "glue", ID: "jr_1", ARN: "arn:aws:glue:x"}
	st.Flag = etl.FlagDistributed
	st.Running = &etl.Load{ID: "l", Table: "hr.people", Kind: etl.Full, Epoch: 1, Engine: etl.FlagDistributed, Route: "flag G"}
	st.Job = &etl.JobState{ID: "l-1", Ref: &ref, Phase: etl.JobRunning, Submitted: time.Unix(1_700_000_000, 0), Timeout: time.Minute}
	require.NoError(t, store.Update(t.Context(), etl.Update{State: st}))
	require.NoError(t, store.Close())

	require.Contains(t, b.want(exitOK, "plan").stdout, "job jr_1 runs on glue since 2023-11-14T22:13:20Z")
	require.Contains(t, b.want(exitOK, "cancel", "hr.people").stdout, "hr.people will have its job cancelled.")
	require.Contains(t, b.want(exitOK, "status").stdout, "it is to be cancelled")
	var doc struct {
		Tables []struct {
			Job struct {
				Cancel         bool
				TimeoutSeconds float64 `json:"timeout_seconds"`
				Ref            etl.JobRef
			}
		}
	}
	require.NoError(t, json.Unmarshal([]byte(b.want(exitOK, "status", "--json").stdout), &doc))
	require.True(t, doc.Tables[0].Job.Cancel)
	require.Equal(t, 60.0, doc.Tables[0].Job.TimeoutSeconds)
	require.Equal(t, ref, doc.Tables[0].Job.Ref)
}
