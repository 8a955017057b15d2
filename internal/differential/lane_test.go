package differential

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	etl "github.com/tidemark-data/etl"
	"github.com/tidemark-data/etl/control"
	"github.com/tidemark-data/etl/etltest"
	"github.com/tidemark-data/etl/lock"
	"github.com/tidemark-data/etl/quarantine"
	"github.com/tidemark-data/etl/sink/icebergsink"
	"github.com/tidemark-data/etl/source"
)

// engine makes the dispatcher of a lane, nil for the engine in this process.
type engine func(t *testing.T, l *lane) etl.Dispatcher

// lane is one of the worlds in which a history is played: ledger, lock and lake.
type lane struct {
	dir        string
	bucket     etl.Source
	table      etl.Table
	layout     etl.Layout
	control    etl.ControlStore
	locker     *lock.Memory
	sink       *icebergsink.Sink
	dispatcher etl.Dispatcher
	runner     *etl.Runner
	quarantine *quarantine.Memory // nil for tables that set no rows aside
	clock      atomic.Int64       // of the runner and the locker, in nanoseconds
}

// newLane opens a lane in a folder of its own.
func newLane(t *testing.T, bucket etl.Source, table etl.Table, layout etl.Layout, make engine) *lane {
	l := &lane{bucket: bucket, table: table, layout: layout, control: control.NewMemory(), locker: lock.NewMemory()}
	if table.BadRows != (etl.ErrorBudget{}) {
		l.quarantine = quarantine.NewMemory()
	}
	l.clock.Store(time.Date(2024, 2, 20, 12, 0, 0, 0, time.UTC).UnixNano())
	l.locker.Now = l.now
	var err error
	l.dir, err = os.MkdirTemp(t.TempDir(), "lane-")
	require.NoError(t, err)
	l.sink, err = icebergsink.Open(t.Context(), icebergsink.Config{Warehouse: filepath.Join(l.dir, "lake")})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, l.sink.Close()) })
	if make != nil {
		l.dispatcher, l.table.Flag = make(t, l), etl.FlagDistributed
	}
	require.NoError(t, l.start())
	return l
}

func (l *lane) now() time.Time { return time.Unix(0, l.clock.Add(int64(time.Millisecond))).UTC() }

// start makes a new Runner, late enough for the leases of the last one to have
// run out.
func (l *lane) start() (err error) {
	l.clock.Add(int64(time.Hour))
	cfg := etl.Config{
		Source: l.bucket, Control: l.control, Locker: l.locker, Sink: l.sink, Layout: l.layout,
		Tables: []etl.Table{l.table}, Now: l.now,
		Dispatcher: l.dispatcher, JobPoll: 5 * time.Millisecond, JobTimeout: 1000 * time.Hour, AwaitJobs: true,
		Retry: etl.RetryPolicy{Attempts: 3, Base: time.Microsecond, Max: time.Microsecond},
	}
	if l.quarantine != nil {
		cfg.Quarantine = l.quarantine
	}
	l.runner, err = etl.New(cfg)
	return err
}

// act does what a process does in a step: registering, verbs, draining. Errors that
// pause the table are part of the history.
func (l *lane) act(ctx context.Context, kind etltest.StepKind, files []etl.File) error {
	name := l.table.Name
	var err error
	switch kind {
	case etltest.StepLand, etltest.StepVanish:
		return nil
	case etltest.StepRestart:
		return l.start()
	case etltest.StepIngest:
		_, err = l.runner.Ingest(ctx)
		return pausing(err)
	case etltest.StepRegister, etltest.StepEvent:
		_, err = l.runner.Register(ctx, files...)
	case etltest.StepPause:
		err = l.runner.Pause(ctx, name, "")
	case etltest.StepResume:
		err = l.runner.Resume(ctx, name)
	case etltest.StepRetry:
		err = l.runner.Retry(ctx, name)
	case etltest.StepSkip:
		err = l.runner.Skip(ctx, name)
	case etltest.StepReload:
		err = l.runner.Reload(ctx, name)
	case etltest.StepComplete:
		err = l.runner.Complete(ctx, name)
	default:
		return fmt.Errorf("step %q is not known", kind)
	}
	if err != nil && !errors.Is(err, etl.ErrNotFound) || kind == etltest.StepRegister {
		return err
	}
	_, err = l.runner.Drain(ctx, name)
	return pausing(err)
}

func pausing(err error) error {
	if err != nil && etl.OutcomeOf(err) == etl.Terminal {
		return nil
	}
	return err
}

// located is a bucket in memory whose contents other engines find in a folder, each
// under the identity of its file.
type located struct {
	*source.Memory
	dir string
}

var _ etl.Locator = located{}

func (l located) URI(ctx context.Context, f etl.File) (string, error) {
	in, err := l.Open(ctx, f)
	if err != nil {
		return "", err
	}
	defer in.Close()
	content, err := io.ReadAll(io.NewSectionReader(in, 0, in.Size()))
	if err != nil {
		return "", err
	}
	name := filepath.Join(l.dir, f.ID(), path.Base(f.Location))
	if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
		return "", err
	}
	return name, os.WriteFile(name, content, 0o600)
}
