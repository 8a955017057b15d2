package etl_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tidemark-data/etl"
)

const (
	firstFull   = "hr/people/LOAD00000001.csv"
	secondFull  = "hr/people/LOAD00000002.csv"
	badFile     = "hr/people/20240220-110500000.csv"
	fileAfter   = "hr/people/20240220-110600000.csv"
	anotherFile = "hr/people/20240220-110700000.csv"
)

// standings are tables that wait for an operator, or do not.
var standings = map[string]func(*pipeline){
	"bad row": func(p *pipeline) {
		p.land(firstFull, "1,Ann,1\n")
		p.land(badFile, "U,2,Anne,x\n")
		p.land(fileAfter, "U,1,Anna,7\n")
		p.land(anotherFile, "U,1,Anouk,8\n")
	},
	"bad full load": func(p *pipeline) {
		p.land(firstFull, "1,Ann,1\n")
		_, _ = p.runner.Ingest(p.t.Context())
		p.land(secondFull, "1,Ann,x\n")
		p.land(fileAfter, "U,1,Anna,7\n")
	},
	"replaced": func(p *pipeline) {
		p.land(firstFull, "1,Ann,1\n")
		p.land(badFile, "U,1,Anne,x\n")
		_, _ = p.runner.Ingest(p.t.Context())
		p.land(badFile, "U,1,Anne,2\n")
	},
	"late": func(p *pipeline) {
		p.land(fileAfter, "U,1,Anna,7\n")
		_, _ = p.runner.Ingest(p.t.Context())
		p.land(badFile, "U,1,Anne,2\n")
	},
	"vanished": func(p *pipeline) {
		p.land(badFile, "U,1,Anne,2\n")
		p.land(fileAfter, "U,1,Anna,7\n")
		require.NoError(p.t, registerAll(p))
		p.source.Remove(badFile)
	},
	"by an operator": func(p *pipeline) {
		p.land(firstFull, "1,Ann,1\n")
		require.NoError(p.t, p.runner.Pause(p.t.Context(), "hr.people", "moving house"))
		p.land(fileAfter, "U,1,Anna,7\n")
	},
	"open full load": func(p *pipeline) {
		p.config.Tables[0].Completion = etl.Completion{Explicit: true}
		p.restart()
		p.land(firstFull, "1,Ann,1\n")
		p.land(fileAfter, "U,1,Anna,7\n")
	},
	"nothing to do": func(p *pipeline) { p.land(firstFull, "1,Ann,1\n") },
}

func registerAll(p *pipeline) error {
	var files []etl.File
	for f, err := range p.source.List(p.t.Context()) {
		if err != nil {
			return err
		}
		files = append(files, f)
	}
	_, err := p.runner.Register(p.t.Context(), files...)
	return err
}

func stand(t *testing.T, name string) (*pipeline, etl.Explanation) {
	p := newPipeline(t, people())
	standings[name](p)
	_, _ = p.runner.Ingest(t.Context())
	x, err := p.runner.Explain(t.Context(), "hr.people")
	require.NoError(t, err)
	return p, x
}

// What an explanation says of a verb is what the verb does.
func TestAdviceIsTrue(t *testing.T) {
	for name := range standings {
		t.Run(name, func(t *testing.T) {
			_, x := stand(t, name)
			require.Len(t, x.Advice, 8)
			for _, a := range x.Advice {
				p, y := stand(t, name)
				require.Equal(t, x.Advice, y.Advice)
				before, err := p.config.Control.State(t.Context(), "hr.people")
				require.NoError(t, err)
				require.Equal(t, x.Flag, before.Flag)
				err = doVerb(p, a)
				if !a.Possible {
					require.ErrorIs(t, err, etl.ErrNotFound, a.Verb)
					require.Contains(t, a.Effect, "not possible")
					continue
				}
				require.NoError(t, err, a.Verb)
				got, err := p.runner.Plan(t.Context(), "hr.people")
				require.NoError(t, err)
				require.Equal(t, got, a.Next, "%s: %s", a.Verb, a.Effect)
			}
		})
	}
}

func doVerb(p *pipeline, a etl.Advice) error {
	ctx, name := p.t.Context(), "hr.people"
	switch a.Verb {
	case "resume":
		return p.runner.Resume(ctx, name)
	case "retry":
		return p.runner.Retry(ctx, name)
	case "skip":
		return p.runner.Skip(ctx, name)
	case "reload":
		return p.runner.Reload(ctx, name)
	case "complete":
		return p.runner.Complete(ctx, name)
	case "cancel":
		return p.runner.Cancel(ctx, name)
	case "flag":
		return p.runner.SetFlag(ctx, name, a.Flag)
	}
	return fmt.Errorf("no verb %q", a.Verb)
}

// told is the advice as lines, without what is not possible.
func told(x etl.Explanation) string {
	var b strings.Builder
	for _, a := range x.Advice {
		if a.Possible && a.Verb != "flag" {
			fmt.Fprintf(&b, "%s: %s\n", a.Verb, a.Effect)
		}
	}
	return b.String()
}

func TestExplainBadRow(t *testing.T) {
	p, x := stand(t, "bad row")
	require.Equal(t, etl.FlagPaused, x.Flag)
	require.Equal(t, etl.FlagLocal, x.ResumeTo)
	require.Equal(t, p.now, x.Since)
	require.Equal(t, badFile, x.Diagnosis.File)
	require.EqualValues(t, 1, x.Diagnosis.Row)
	require.Equal(t, "seq", x.Diagnosis.Column)
	require.Equal(t, "not a long", x.Diagnosis.Rule)
	require.Equal(t, x.Diagnosis.LoadID, x.Failure.LoadID)
	require.Equal(t, 3, x.Failure.Files)
	require.Len(t, x.Failed, 1)
	require.Equal(t, 2, x.Waiting.Pending)
	require.Equal(t, fileAfter, x.Waiting.First)
	require.Nil(t, x.Next.Load)
	again := "1 file waits again (" + badFile + "); fails again unless the table's declaration was mended; flag L again; next load: 3 change files, 34 B, on L\n"
	require.Equal(t, "retry: "+again+
		"skip: passes over "+badFile+" for good; 2 later files go on; flag L again; next load: 2 change files, 23 B, on L\n"+
		"resume: "+again+
		"reload: 1 applied file is applied again ("+firstFull+"); 3 files wait for the full load; flag L again; next load: full load of 1 file, 8 B, on L\n", told(x))
	require.NotContains(t, fmt.Sprintf("%+v", x), "Anne", "a cell's value")
}

func TestExplainOrder(t *testing.T) {
	first := map[string]string{
		"bad row": "retry", "bad full load": "retry", "replaced": "skip", "late": "retry", "vanished": "retry",
		"by an operator": "resume", "open full load": "complete",
	}
	for name, want := range first {
		_, x := stand(t, name)
		require.Equal(t, want, x.Advice[0].Verb, "%s:\n%s", name, told(x))
	}
	_, x := stand(t, "nothing to do")
	i := slices.IndexFunc(x.Advice, func(a etl.Advice) bool { return a.Verb == "retry" })
	require.Equal(t, "not possible: no file failed or vanished", x.Advice[i].Effect)
	_, x = stand(t, "late")
	i = slices.IndexFunc(x.Advice, func(a etl.Advice) bool { return a.Verb == "reload" })
	require.Equal(t, "not possible: no full load that the table holds is in the ledger; name the files to load", x.Advice[i].Effect)
}

// A table that pauses by itself goes back to the flag that it had.
func TestPausesGoBackToTheFlag(t *testing.T) {
	for _, flag := range []etl.JobFlag{etl.FlagLocal, etl.FlagAuto} {
		for name, lose := range map[string]bool{"failure": false, "accounting": true} {
			t.Run(name+" "+string(flag), func(t *testing.T) {
				p := newPipeline(t, people())
				books := &wrongBooks{Sink: p.sink}
				p.config.Sink = books
				p.restart()
				require.NoError(t, p.runner.SetFlag(t.Context(), "hr.people", flag))
				p.land(firstFull, "1,Ann,1\n")
				p.ingest()
				books.on = lose
				p.land(badFile, map[bool]string{true: "U,1,Anne,2\n", false: "U,1,Anne,x\n"}[lose])
				_, err := p.runner.Ingest(t.Context())
				require.Equal(t, etl.Terminal, etl.OutcomeOf(err))
				x, err := p.runner.Explain(t.Context(), "hr.people")
				require.NoError(t, err)
				require.Equal(t, etl.FlagPaused, x.Flag)
				require.Equal(t, flag, x.ResumeTo)
				require.Equal(t, lose, strings.Contains(x.Diagnosis.Cause, etl.ErrAccounting.Error()), x.Diagnosis.Cause)
				require.Equal(t, []string{"1,Ann,1"}, p.rows("hr.people"))
				books.on = false
				require.NoError(t, p.runner.Resume(t.Context(), "hr.people"))
				st, err := p.config.Control.State(t.Context(), "hr.people")
				require.NoError(t, err)
				require.Equal(t, flag, st.Flag)
				require.Nil(t, st.Paused)
				require.Equal(t, time.Time{}, st.PausedAt)
			})
		}
	}
}

// wrongBooks is a sink that finds a row too few, before it commits.
type wrongBooks struct {
	etl.Sink
	on bool
}

func (s *wrongBooks) Apply(ctx context.Context, target etl.Target, load etl.Load, changes *etl.Changes) (etl.Receipt, error) {
	if s.on {
		return etl.Receipt{}, load.Check(etl.Counts{Read: 1, Updated: 1, RowsBefore: 2, RowsAfter: 1})
	}
	return s.Sink.Apply(ctx, target, load, changes)
}
