package catalogsink

import (
	"context"
	"fmt"
	"sync"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/iceberg-go"
	"github.com/google/uuid"
	"golang.org/x/sync/errgroup"
)

const (
	// laneRows is how many rows the files under way get before another file is
	// started beside them: small loads stay in one file.
	laneRows = 131072
	// laneBytes is the same for input files, where the rows are not counted yet.
	laneBytes = 16 << 20
	// laneQueue is how many batches wait for a writer.
	laneQueue = 4
	// laneFiles is how many partitions' files one goroutine keeps open.
	laneFiles = 64
)

// rowWriter writes rows into new data files, one file of a partition per
// goroutine at a time. Its methods are called by one goroutine.
type rowWriter struct {
	w     *work
	plan  *filePlan
	parts *partitioner // nil where the table has no partitions
	run   string

	ctx    context.Context
	stop   context.CancelFunc
	group  *errgroup.Group
	lanes  []chan piece
	busy   int   // goroutines started
	sent   int64 // rows
	coming int64 // rows expected, those sent included
	ended  bool
	closed bool

	mu    sync.Mutex
	files []iceberg.DataFile
	paths []string // of all files begun
}

// piece is rows of one partition.
type piece struct {
	part *partition
	rec  arrow.RecordBatch
}

// wholeTable is the partition of an unpartitioned table's rows.
var wholeTable = &partition{}

// newRowWriter makes one for new rows, or with lineage for rows of other files.
func (w *work) newRowWriter(ctx context.Context, lineage bool) (*rowWriter, error) {
	plan, err := newFilePlan(w.tbl, w.target)
	if err == nil && lineage {
		plan, err = plan.withLineage()
	}
	if err != nil {
		return nil, fmt.Errorf("table %s: %w", w.target.Name, err)
	}
	r := &rowWriter{w: w, plan: plan, run: uuid.NewString()}
	if !plan.spec.IsUnpartitioned() {
		if r.parts, err = newPartitioner(plan); err != nil {
			return nil, fmt.Errorf("table %s: %w", w.target.Name, err)
		}
	}
	ctx, r.stop = context.WithCancel(ctx)
	r.group, r.ctx = errgroup.WithContext(ctx)
	lanes := 1
	if r.parts != nil {
		lanes = w.sink.opts.Workers
	}
	for range lanes {
		r.lanes = append(r.lanes, make(chan piece, laneQueue))
	}
	return r, nil
}

// expect says how many more rows will come at most, or, with a negative number,
// that it is not known.
func (r *rowWriter) expect(n int64) {
	if n < 0 {
		bytes := int64(0)
		for _, f := range r.w.load.Files {
			bytes += f.Size
		}
		n = bytes / laneBytes * laneRows
	}
	r.coming += n
}

// write hands over rows, whose columns are those of the target in its order,
// with their lineage behind if the writer is for that.
// The caller keeps its own reference to them.
func (r *rowWriter) write(rec arrow.RecordBatch) error {
	rec, err := r.plan.shape(rec)
	if err != nil {
		return fmt.Errorf("table %s: %w", r.w.target.Name, err)
	}
	defer rec.Release()
	if r.parts == nil {
		for r.busy == 0 || r.busy < r.w.sink.opts.Workers && max(r.sent, r.coming-1) >= int64(r.busy)*laneRows {
			r.start(r.lanes[0])
		}
		r.sent += rec.NumRows()
		return r.send(r.lanes[0], piece{wholeTable, rec})
	}
	if r.busy == 0 {
		for _, lane := range r.lanes {
			r.start(lane)
		}
	}
	return r.parts.split(r.ctx, rec, func(p piece) error {
		return r.send(r.lanes[p.part.number%len(r.lanes)], p)
	})
}

func (r *rowWriter) start(lane chan piece) {
	r.busy++
	r.group.Go(func() error { return r.serve(lane) })
}

func (r *rowWriter) send(lane chan piece, p piece) error {
	p.rec.Retain()
	select {
	case lane <- p:
		return nil
	case <-r.ctx.Done():
		p.rec.Release()
		return errStopped
	}
}

// serve writes what comes until the lane is closed.
func (r *rowWriter) serve(lane chan piece) (err error) {
	open := map[*partition]*fileWriter{}
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("table %s: the Parquet writer failed: %v", r.w.target.Name, p)
		}
		for _, f := range open {
			f.abort()
		}
	}()
	for {
		select {
		case <-r.ctx.Done():
			return r.ctx.Err()
		case p, ok := <-lane:
			if !ok {
				return r.finishAll(open)
			}
			err := r.put(open, p)
			p.rec.Release()
			if err != nil {
				return err
			}
		}
	}
}

func (r *rowWriter) put(open map[*partition]*fileWriter, p piece) error {
	f := open[p.part]
	if f == nil {
		if len(open) >= laneFiles {
			if err := r.finishAll(open); err != nil {
				return err
			}
		}
		var err error
		if f, err = r.begin(p.part); err != nil {
			return err
		}
		open[p.part] = f
	}
	if err := f.write(r.ctx, p.rec); err != nil {
		return err
	}
	if f.size() < r.plan.target {
		return nil
	}
	delete(open, p.part)
	return r.finish(f)
}

func (r *rowWriter) finishAll(open map[*partition]*fileWriter) error {
	for part, f := range open {
		delete(open, part)
		if err := r.finish(f); err != nil {
			return err
		}
	}
	return nil
}

func (r *rowWriter) finish(f *fileWriter) error {
	df, err := f.finish(r.ctx)
	if err != nil {
		return fmt.Errorf("table %s: write %s: %w", r.w.target.Name, f.path, err)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.files = append(r.files, df)
	return nil
}

func (r *rowWriter) begin(part *partition) (*fileWriter, error) {
	r.mu.Lock()
	name := fmt.Sprintf("%s%05d-%s.parquet", part.dir, len(r.paths), r.run)
	path := r.plan.places.NewDataLocation(name)
	r.paths = append(r.paths, path)
	r.mu.Unlock()
	f, err := r.plan.begin(r.w.fs, path, part.values)
	if err != nil {
		return nil, fmt.Errorf("table %s: create %s: %w", r.w.target.Name, path, err)
	}
	return f, nil
}

// end says that no more rows will come.
func (r *rowWriter) end() {
	if r.ended {
		return
	}
	r.ended = true
	for _, lane := range r.lanes {
		close(lane)
	}
}

// close waits for the files and gives them out. All files begun are staged, so
// that they are removed with the attempt if it fails.
func (r *rowWriter) close() ([]iceberg.DataFile, error) {
	if r.closed {
		return nil, nil
	}
	r.end()
	r.closed = true
	err := r.group.Wait()
	r.stop()
	for _, lane := range r.lanes {
		for p := range lane {
			p.rec.Release()
		}
	}
	r.w.staged = append(r.w.staged, r.paths...)
	return r.files, err
}

// abort gives up what was written.
func (r *rowWriter) abort() {
	r.stop()
	_, _ = r.close() // the caller has the cause
}

// shape gives rows the schema of the files. The caller releases the result.
func (p *filePlan) shape(rec arrow.RecordBatch) (arrow.RecordBatch, error) {
	if rec.NumCols() != int64(len(p.from)) {
		return nil, fmt.Errorf("rows have %d columns, expected %d", rec.NumCols(), len(p.from))
	}
	cols := make([]arrow.Array, len(p.from))
	for i, at := range p.from {
		cols[i] = rec.Column(at)
		if f := p.schema.Field(i); !arrow.TypeEqual(cols[i].DataType(), f.Type) {
			return nil, fmt.Errorf("rows have column %s of type %v, expected %v", f.Name, cols[i].DataType(), f.Type)
		} else if !f.Nullable && cols[i].NullN() > 0 {
			return nil, fmt.Errorf("rows have nulls in the required column %s", f.Name)
		}
	}
	return array.NewRecordBatch(p.schema, cols, rec.NumRows()), nil
}
