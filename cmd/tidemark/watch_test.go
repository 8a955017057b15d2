package main

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestWatch(t *testing.T) {
	b := newBench(t, people)
	b.land(fullFile, fullPeople)
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan result)
	go func() { done <- b.callWith(ctx, "", "ingest", "--watch", "20ms") }()

	applied := func(n int) func() bool {
		return func() bool {
			var doc statusDoc
			b.json(exitOK, &doc, "status")
			return doc.Tables[0].Files["applied"] == n
		}
	}
	require.Eventually(t, applied(1), 20*time.Second, 20*time.Millisecond)
	b.land(change1, "Op,id,name,pay,born\nD,1,,,\n")
	require.Eventually(t, applied(2), 20*time.Second, 20*time.Millisecond)
	stop()
	r := <-done
	require.Equal(t, exitOK, r.code, r.stderr)
	require.Contains(t, r.stdout, "full")
	require.Contains(t, r.stdout, "incremental")
	require.Len(t, b.rows("hr.people"), 1)
}

func TestWatchSaysOnceThatATableIsPaused(t *testing.T) {
	b := newBench(t, people)
	b.land(fullFile, "id,name,pay,born\nx,,,\n")
	ctx, stop := context.WithTimeout(context.Background(), 2*time.Second)
	defer stop()
	r := b.callWith(ctx, "", "ingest", "--watch=10ms")
	require.Equal(t, exitOK, r.code)
	require.Regexp(t, `(?s)^[^p]*hr.people is paused`, r.stdout)
	require.NotRegexp(t, `(?s)is paused.*is paused`, r.stdout)
}

func TestInterrupted(t *testing.T) {
	b := newBench(t, people)
	b.land(fullFile, fullPeople)
	ctx, stop := context.WithCancel(context.Background())
	stop()
	r := b.callWith(ctx, "", "ingest")
	require.Equal(t, exitError, r.code, r.stdout)
	b.ingestDoc(exitOK)
	require.Len(t, b.rows("hr.people"), 2)
}
