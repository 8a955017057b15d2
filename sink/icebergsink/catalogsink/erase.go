package catalogsink

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/apache/iceberg-go"
	"github.com/apache/iceberg-go/catalog"
	"github.com/apache/iceberg-go/table"

	"github.com/tidemark-data/etl"
)

// What an erasure leaves in its snapshot's summary, its identity and what it did,
// and in the table's properties, the hashes of all erased keys.
const (
	propErasure  = "tidemark.erasure"
	propErased   = "tidemark.erased"
	propErasures = "tidemark.erasures"
)

// stepErase is that of an erasure's snapshot.
const stepErase = "erase"

// recastSuffix ends the names of data files that were made of others page by page.
// Their dictionaries may still hold values of rows that are gone.
const recastSuffix = "-recast.parquet"

var _ etl.Eraser = (*Sink)(nil)

// Erase implements [etl.Eraser]. Data files that hold one of the keys, in rows
// that readers see or in deleted ones, are written anew without the deleted rows and
// under the sequence numbers that they have, in one snapshot. So are those that
// copy-on-write has made page by page, whatever they hold: their dictionaries may
// still show values of rows that are gone.
func (s *Sink) Erase(ctx context.Context, target etl.Target, req etl.ErasureRequest) (etl.ErasedRows, error) {
	var done etl.ErasedRows
	err := s.contend(ctx, target, stepErase, func() (err error) {
		done, err = s.tryErase(ctx, target, req)
		return err
	})
	return done, err
}

func (s *Sink) tryErase(ctx context.Context, target etl.Target, req etl.ErasureRequest) (etl.ErasedRows, error) {
	tbl, err := s.open(ctx, target)
	if err != nil {
		return etl.ErasedRows{}, err
	}
	past := readHistory(tbl.Metadata())
	id := erasureID(req)
	if done, ok := findErasure(tbl.Metadata(), id); ok {
		return done, nil
	}
	if err := past.admit(target.Name, req.Fence); err != nil {
		return etl.ErasedRows{}, err
	}
	w, err := newWork(ctx, s, tbl, past, target, etl.Load{Kind: etl.Incremental, Fence: req.Fence})
	if err != nil {
		return etl.ErasedRows{}, err
	}
	all, err := json.Marshal(req.All)
	if err != nil {
		return etl.ErasedRows{}, terminal(err)
	}
	e := &erasure{w: w, id: id, all: string(all), fence: req.Fence}
	if err := e.write(ctx, req.Keys); err != nil {
		w.discard()
		return etl.ErasedRows{}, fmt.Errorf("table %s: %w", target.Name, err)
	}
	if e.idle() {
		return e.done, nil
	}
	return e.commit(ctx)
}

// erasureID names one attempt of the Runner at an erasure: one that is repeated
// later has another fence.
func erasureID(req etl.ErasureRequest) string {
	id := ""
	if n := len(req.All.List); n > 0 {
		id = req.All.List[n-1].ID
	}
	return id + "-" + strconv.FormatInt(req.Fence, 10)
}

func findErasure(meta table.Metadata, id string) (done etl.ErasedRows, found bool) {
	for snap := meta.SnapshotByName(table.MainBranch); snap != nil; snap = meta.SnapshotByID(*snap.ParentSnapshotID) {
		if snap.Summary != nil && snap.Summary.Properties[propErasure] == id {
			_ = json.Unmarshal([]byte(snap.Summary.Properties[propErased]), &done) // numbers for a report
			done.Snapshot = strconv.FormatInt(snap.SnapshotID, 10)
			return done, true
		}
		if snap.ParentSnapshotID == nil {
			break
		}
	}
	return done, false
}

// erasure is one attempt at one.
type erasure struct {
	w     *work
	id    string
	all   string // [etl.Erasures] as JSON
	fence int64
	done  etl.ErasedRows
}

// write writes the files that are to take the place of others.
func (e *erasure) write(ctx context.Context, keys *etl.Part) error {
	w := e.w
	matches, err := w.holding(ctx, keys)
	if err != nil {
		return err
	}
	for _, f := range w.list.data {
		if strings.HasSuffix(f.FilePath(), recastSuffix) {
			w.removed[f] = nil
		}
	}
	for _, m := range matches {
		dead, err := w.list.deadOf(ctx, m.file)
		if err != nil {
			return err
		}
		live := w.removed[m.file]
		for _, pos := range m.positions {
			if !dead.has(pos) {
				live = append(live, pos)
			}
		}
		w.removed[m.file] = live
	}
	e.done.Files = len(w.removed)
	w.mode, w.decodes = copyOnWrite, true
	if err := w.recastFiles(ctx); err != nil {
		return err
	}
	e.done.Rows = w.gone
	return e.writeMemory(ctx, keys)
}

// holding finds all rows that have keys, deleted ones too.
func (w *work) holding(ctx context.Context, keys *etl.Part) ([]*match, error) {
	l, err := w.locator(keys)
	if err != nil {
		return nil, err
	}
	scan, ok := l.(*keyScan)
	if !ok {
		return nil, terminal(errors.New("deleted rows cannot be looked for"))
	}
	scan.wants, scan.deleted = nil, true
	return scan.locate(ctx)
}

func (e *erasure) writeMemory(ctx context.Context, keys *etl.Part) error {
	m := e.w.memory
	if e.w.past.memory != "" && !m.enabled {
		m.changed = true // the next load would drop it
	}
	orders, err := m.recall(keys)
	if err != nil {
		return err
	}
	e.done.Orders = len(orders)
	return m.write(ctx)
}

// idle reports whether there is nothing to commit.
func (e *erasure) idle() bool {
	return e.done == (etl.ErasedRows{}) && e.w.memory.path == e.w.past.memory && e.w.tbl.Properties()[propErasures] == e.all
}

func (e *erasure) commit(ctx context.Context) (etl.ErasedRows, error) {
	e.w.own = e.marks
	_, err := e.w.commitOwn(ctx)
	look, cancel := context.WithTimeout(context.WithoutCancel(ctx), 30*time.Second)
	defer cancel()
	tbl, lerr := e.w.sink.load(look, e.w.target.Name)
	if lerr != nil {
		return etl.ErasedRows{}, fmt.Errorf("table %s: %w: %w", e.w.target.Name, etl.ErrUnknownCommit, errors.Join(err, lerr))
	}
	if done, ok := findErasure(tbl.Metadata(), e.id); ok {
		return done, nil
	}
	switch {
	case err == nil:
		err = fmt.Errorf("table %s: the erasure is not found after the commit: %w", e.w.target.Name, etl.ErrUnknownCommit)
	case isConflict(err), !errors.Is(err, etl.ErrUnknownCommit):
		e.w.discard()
	}
	return etl.ErasedRows{}, err
}

// marks are those of the snapshot and, in part, of the table. The orders that are
// remembered are another file from here on.
func (e *erasure) marks() (summary, props iceberg.Properties) {
	props = iceberg.Properties{
		propFence: strconv.FormatInt(e.fence, 10), propMemory: e.w.memory.path, propErasures: e.all,
	}
	done, _ := json.Marshal(e.done) // a struct of numbers
	summary = iceberg.Properties{
		propUpkeep: stepErase, propErasure: e.id, propErased: string(done),
		propFence: props[propFence], propMemory: props[propMemory],
	}
	return summary, props
}

// erasuresOf are those that the table's properties tell.
func erasuresOf(props iceberg.Properties) *etl.Erasures {
	var all etl.Erasures
	if text := props[propErasures]; text == "" || json.Unmarshal([]byte(text), &all) != nil {
		return nil
	}
	return &all
}

// noTable reports whether an error says that there is no such table.
func noTable(err error) bool {
	return errors.Is(err, catalog.ErrNoSuchTable) || errors.Is(err, catalog.ErrNoSuchNamespace)
}
