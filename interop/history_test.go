//go:build interop

package interop

import (
	"errors"

	"github.com/stretchr/testify/require"

	"github.com/tidemark-data/etl"
	"github.com/tidemark-data/etl/etltest"
	"github.com/tidemark-data/etl/source"
)

// player takes the steps of a history.
type player struct {
	*lake
	runner *etl.Runner
	bucket *source.Memory
	table  string
	landed map[string]etl.File
}

func (p *player) step(s etltest.Step) {
	for _, f := range s.Land {
		p.landed[f.Location] = p.bucket.Put(f.Location, f.Content, f.At)
	}
	if s.Gone != "" {
		p.bucket.Remove(s.Gone)
	}
	var files []etl.File
	for _, location := range s.Events {
		files = append(files, p.landed[location])
	}
	switch s.Kind {
	case etltest.StepLand, etltest.StepVanish, etltest.StepRestart:
		return
	case etltest.StepRegister:
		_, err := p.runner.Register(p.t.Context(), files...)
		require.NoError(p.t, err)
		return
	}
	err := p.act(s.Kind, files)
	if !errors.Is(err, etl.ErrNotFound) {
		require.NoError(p.t, err)
	}
	if _, err := p.runner.Drain(p.t.Context(), p.table); err != nil {
		require.Equal(p.t, etl.Terminal, etl.OutcomeOf(err), err) // bad files pause the table
	}
}

func (p *player) act(kind etltest.StepKind, files []etl.File) error {
	ctx := p.t.Context()
	var err error
	switch kind {
	case etltest.StepEvent:
		_, err = p.runner.Register(ctx, files...)
	case etltest.StepIngest:
		if _, err = p.runner.Ingest(ctx); etl.OutcomeOf(err) == etl.Terminal {
			err = nil
		}
	case etltest.StepPause:
		err = p.runner.Pause(ctx, p.table, "")
	case etltest.StepResume:
		err = p.runner.Resume(ctx, p.table)
	case etltest.StepRetry:
		err = p.runner.Retry(ctx, p.table)
	case etltest.StepSkip:
		err = p.runner.Skip(ctx, p.table)
	case etltest.StepReload:
		err = p.runner.Reload(ctx, p.table)
	case etltest.StepComplete:
		err = p.runner.Complete(ctx, p.table)
	}
	return err
}
