package etl_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/stretchr/testify/require"

	"github.com/tidemark-data/etl"
)

// faulty is a transform with a mistake in it.
type faulty struct{ panics func() }

func (faulty) Schema(in *arrow.Schema) (*arrow.Schema, error) { return in, nil }

func (f faulty) Transform(_ context.Context, in arrow.RecordBatch) (arrow.RecordBatch, error) {
	f.panics()
	in.Retain()
	return in, nil
}

func (p *pipeline) flag() (etl.JobFlag, string) {
	st, err := p.config.Control.State(p.t.Context(), "hr.people")
	require.NoError(p.t, err)
	if st.Paused == nil {
		return st.Flag, ""
	}
	return st.Flag, st.Paused.Cause
}

// A transform that panics pauses its table, and no other; mended, the load goes
// through.
func TestTransformPanics(t *testing.T) {
	for name, panics := range map[string]func(){
		"value":   func() { panic("secret cell") },
		"error":   func() { panic(errors.New("secret cell")) },
		"runtime": func() { _ = strings.Fields("secret cell")[2] },
		"nil":     func() { panic(nil) },
	} {
		t.Run(name, func(t *testing.T) {
			broken := true
			bad := people()
			bad.Transforms = []etl.Transformer{faulty{func() {
				if broken {
					panics()
				}
			}}}
			other := people()
			other.Name = "hr.others"
			p := newPipeline(t, bad, other)
			p.land("hr/people/LOAD00000001.csv", "1,Ann,\n2,Bob,\n")
			p.land("hr/others/LOAD00000001.csv", "3,Cid,\n")
			_, err := p.runner.Ingest(t.Context())
			require.Equal(t, etl.Terminal, etl.OutcomeOf(err))
			require.ErrorContains(t, err, "transform panicked in ")
			require.ErrorContains(t, err, "runner_panic_test.go line ")
			require.NotContains(t, err.Error(), "secret")
			flag, cause := p.flag()
			require.Equal(t, etl.FlagPaused, flag)
			require.Contains(t, cause, "transform panicked")
			require.Equal(t, []string{"3,Cid,-"}, p.rows("hr.others"))

			broken = false
			require.NoError(t, p.runner.Retry(t.Context(), "hr.people"))
			p.ingest()
			require.Equal(t, []string{"1,Ann,-", "2,Bob,-"}, p.rows("hr.people"))
		})
	}
}

// An observer that panics pauses the table as well. What it was told of too late
// to be stopped stays as it is.
func TestObserverPanics(t *testing.T) {
	broken := true
	bang := func() {
		if broken {
			panic("secret cell")
		}
	}
	for name, c := range map[string]struct {
		observer etl.Observer
		applied  bool
	}{
		"LoadPlanned": {etl.Observer{LoadPlanned: func(etl.Load) { bang() }}, false},
		"Progress":    {etl.Observer{Progress: func(etl.Load, string, int, int64) { bang() }}, false},
		"LoadApplied": {etl.Observer{LoadApplied: func(etl.Load, etl.Receipt, time.Duration) { bang() }}, true},
	} {
		t.Run(name, func(t *testing.T) {
			broken = true
			p := newPipeline(t, people())
			p.config.Observer = c.observer
			p.restart()
			p.land("hr/people/LOAD00000001.csv", "1,Ann,\n")
			_, err := p.runner.Ingest(t.Context())
			require.Equal(t, etl.Terminal, etl.OutcomeOf(err), err)
			require.ErrorContains(t, err, "observer "+name+" panicked in ")
			require.NotContains(t, err.Error(), "secret")
			flag, _ := p.flag()
			require.Equal(t, etl.FlagPaused, flag)
			if c.applied {
				require.Equal(t, []string{"1,Ann,-"}, p.rows("hr.people"))
			}
			broken = false
			if c.applied {
				require.NoError(t, p.runner.Resume(t.Context(), "hr.people"))
			} else {
				require.NoError(t, p.runner.Retry(t.Context(), "hr.people"))
			}
			p.land("hr/people/20240220-110825123.csv", "U,1,Bob,\n")
			p.ingest()
			require.Equal(t, []string{"1,Bob,-"}, p.rows("hr.people"))
		})
	}
}

// Nor does an observer that panics when it hears of a failure or a pause.
func TestObserverPanicsOnFailure(t *testing.T) {
	p := newPipeline(t, people())
	p.config.Observer = etl.Observer{
		LoadFailed: func(etl.Load, error, int, time.Duration) { panic("no") },
		Paused:     func(string, etl.Diagnosis) { panic("no") },
	}
	p.restart()
	p.land("hr/people/LOAD00000001.csv", "one,Ann,\n")
	_, err := p.runner.Ingest(t.Context())
	require.ErrorContains(t, err, "column id", "the failure itself is what is told")
	flag, cause := p.flag()
	require.Equal(t, etl.FlagPaused, flag)
	require.Contains(t, cause, "column id")
}

// What an observer makes of a registered file does not keep it from the ledger.
func TestObserverPanicsAtRegistration(t *testing.T) {
	p := newPipeline(t, people())
	p.config.Observer.Registered = func(etl.FileRecord) { panic("secret cell") }
	p.restart()
	p.land("hr/people/LOAD00000001.csv", "1,Ann,\n")
	p.land("elsewhere/x.csv", "1\n")
	rep := p.ingest()
	require.Equal(t, 2, rep.Registered)
	require.Equal(t, []string{"1,Ann,-"}, p.rows("hr.people"))
}
