package sparkdispatch

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/tidemark-data/etl"
	"github.com/tidemark-data/etl/dispatch"
	"github.com/tidemark-data/etl/dispatch/sparkjob"
)

// Engine is the name of the engine in an [etl.JobRef].
const Engine = "spark-submit"

// Dispatcher runs jobs by spark-submit. It is safe for concurrent use, between
// processes too.
type Dispatcher struct {
	cfg   Config
	store *dispatch.Folder
}

var _ etl.Dispatcher = (*Dispatcher)(nil)

// New returns a dispatcher. It starts nothing, and does not look for spark-submit.
func New(cfg Config) (*Dispatcher, error) {
	cfg = cfg.withDefaults()
	if err := cfg.validate(); err != nil {
		return nil, fmt.Errorf("sparkdispatch: %w", err)
	}
	if !supported {
		return nil, errors.New("sparkdispatch: jobs need a Unix system")
	}
	store, err := dispatch.NewFolder(cfg.Folder)
	if err != nil {
		return nil, fmt.Errorf("sparkdispatch: %w", err)
	}
	return &Dispatcher{cfg: cfg, store: store}, nil
}

// files are what a job is started with.
type files struct {
	docs              dispatch.Documents
	archive, launcher string
}

// Submit implements [etl.Dispatcher]. A job that was submitted before is not
// started again. job.Timeout is left to the caller, who cancels.
func (d *Dispatcher) Submit(ctx context.Context, job etl.Job) (etl.JobRef, error) {
	ref, err := d.submit(ctx, job)
	if err != nil {
		return ref, fmt.Errorf("spark-submit: %w", err)
	}
	return ref, nil
}

func (d *Dispatcher) submit(ctx context.Context, job etl.Job) (etl.JobRef, error) {
	if ref, found, err := d.Find(ctx, job); found || err != nil {
		return ref, err
	}
	command, err := d.cfg.command()
	if err != nil {
		return etl.JobRef{}, etl.WithOutcome(etl.Terminal, err)
	}
	gate, err := lockFile(filepath.Join(d.store.Root(), "submit.lock"), true)
	if err != nil {
		return etl.JobRef{}, fmt.Errorf("folder of jobs: %w", err)
	}
	defer gate.Close()
	if ref, found, err := d.Find(ctx, job); found || err != nil { // another process was faster
		return ref, err
	}
	d.clean()
	if n, err := d.running(); err != nil || n >= d.cfg.Limit {
		return etl.JobRef{}, etl.WithOutcome(etl.Retry, errors.Join(fmt.Errorf("%d jobs run, which is the limit", n), err))
	}
	f, err := d.write(ctx, job)
	if err != nil {
		return etl.JobRef{}, err
	}
	if err := start(d.folder(job.ID), d.cfg.environment(), command, d.cfg.arguments(job.ID, f)); err != nil {
		return etl.JobRef{}, err
	}
	return d.ref(job.ID)
}

// write puts the manifest and the job's code into the folder.
func (d *Dispatcher) write(ctx context.Context, job etl.Job) (f files, err error) {
	digest, err := sparkjob.Digest()
	if err != nil {
		return f, etl.WithOutcome(etl.Terminal, err)
	}
	archive, err := sparkjob.Archive()
	if err != nil {
		return f, etl.WithOutcome(etl.Terminal, err)
	}
	if f.docs, err = dispatch.PutManifest(ctx, d.store, job); err != nil {
		return f, err
	}
	if f.archive, err = dispatch.PutCode(ctx, d.store, digest, sparkjob.ArchiveName, archive); err != nil {
		return f, err
	}
	f.launcher, err = dispatch.PutCode(ctx, d.store, digest, sparkjob.LauncherName, sparkjob.Launcher())
	return f, err
}

// Find implements [etl.Dispatcher].
func (d *Dispatcher) Find(ctx context.Context, job etl.Job) (etl.JobRef, bool, error) {
	if err := errors.Join(ctx.Err(), dispatch.CheckJobID(job.ID)); err != nil {
		return etl.JobRef{}, false, err
	}
	t, err := d.look(ctx, job.ID)
	if err != nil || !t.started() {
		return etl.JobRef{}, false, err
	}
	ref, err := d.ref(job.ID)
	return ref, err == nil, err
}

func (d *Dispatcher) ref(jobID string) (etl.JobRef, error) {
	docs, err := dispatch.Locate(d.store, jobID)
	return etl.JobRef{Engine: Engine, ID: jobID, JobID: jobID, Result: docs.Result}, err
}

// Status implements [etl.Dispatcher]. The reason of a failure names the exit code
// and the log, from which it takes no text.
func (d *Dispatcher) Status(ctx context.Context, ref etl.JobRef) (etl.JobStatus, error) {
	if err := check(ref); err != nil {
		return etl.JobStatus{}, err
	}
	t, err := d.look(ctx, ref.JobID)
	if err != nil {
		return etl.JobStatus{}, err
	}
	if !t.started() {
		return etl.JobStatus{}, unknown(ref)
	}
	return t.status(), nil
}

// Cancel implements [etl.Dispatcher]: it asks the job's processes to end, and
// kills them if they have not after Config.Grace. It returns when none is left.
func (d *Dispatcher) Cancel(ctx context.Context, ref etl.JobRef) error {
	if err := check(ref); err != nil {
		return err
	}
	t, err := d.look(ctx, ref.JobID)
	if err != nil {
		return err
	}
	if !t.started() {
		return unknown(ref)
	}
	if !t.alive {
		return nil
	}
	if err := touch(filepath.Join(t.folder, cancelMark)); err != nil {
		return fmt.Errorf("spark-submit: cancel job %s: %w", ref.JobID, err)
	}
	return end(ctx, t, d.cfg.Grace)
}

func check(ref etl.JobRef) error {
	if ref.Engine != Engine || dispatch.CheckJobID(ref.JobID) != nil {
		return unknown(ref)
	}
	return nil
}

func unknown(ref etl.JobRef) error {
	return fmt.Errorf("spark-submit: job %.64q: %w", ref.JobID, etl.ErrNotFound)
}

func (d *Dispatcher) jobs() string               { return filepath.Join(d.store.Root(), "jobs") }
func (d *Dispatcher) folder(jobID string) string { return filepath.Join(d.jobs(), jobID) }

func touch(path string) error {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	return f.Close()
}
