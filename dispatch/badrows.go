package dispatch

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/tidemark-data/etl"
)

// Bad rows of a job pass through two documents in its folder, which hold values of
// cells and are removed as soon as they were taken over: what the job has to know of
// rows set aside before, and those that it sets aside itself.

// ManifestBadRows says how many bad rows a job may set aside, and where the documents
// with such rows are.
type ManifestBadRows struct {
	// Rows and Share are the [etl.ErrorBudget], Budget is how errors name it.
	Rows   int64   `json:"rows,omitempty"`
	Share  float64 `json:"share,omitempty"`
	Budget string  `json:"budget"`
	// Aside is the URI of an [AsideDocument]; empty where there is none.
	Aside string `json:"aside,omitempty"`
	// HandOver is where the job leaves an [etl.HandedOver], before its commit.
	HandOver string `json:"hand_over,omitempty"`
}

// AsideDocument is what a job has to know of rows set aside before its load.
type AsideDocument struct {
	Open   []AsideRow    `json:"open,omitempty"`
	Mended []AsideMended `json:"mended,omitempty"`
}

// AsideRow is a row that still waits: who has a later version of its key overtakes it.
type AsideRow struct {
	LoadID string `json:"load_id"`
	ID     string `json:"id"`
	// Key is the row's as the table would hold it, encoded.
	Key   []byte       `json:"key"`
	Place etl.BadPlace `json:"place"`
}

// AsideMended is the content of a file that is a mended row.
type AsideMended struct {
	// File is its index in the manifest.
	File    int    `json:"file"`
	Content []byte `json:"content"`
	// Place is where the row was set aside; Format reads the content.
	Place  etl.BadPlace    `json:"place"`
	Format etl.Declaration `json:"format"`
}

// MaxHandedOver is the greatest size in bytes of the document by which a job hands bad
// rows over. A job whose bad rows take more fails: its budget is too large.
const MaxHandedOver = 256 << 20

func asideName(jobID string) string    { return "jobs/" + jobID + "/aside.json" }
func handOverName(jobID string) string { return "jobs/" + jobID + "/badrows.json" }

// badRows is the part of a manifest that is about bad rows.
func badRows(job etl.Job) (*ManifestBadRows, error) {
	for _, f := range job.Load.Files {
		if !strings.HasPrefix(f.Location, etl.MendedPrefix) {
			continue
		}
		if job.Aside == nil || job.Aside.Mended[f.ID()].Mended == nil {
			return nil, undeclared(errors.New("the load has a mended row whose content is not known"))
		}
	}
	budget := job.Table.BadRows
	if job.Aside == nil && budget == (etl.ErrorBudget{}) {
		return nil, nil
	}
	return &ManifestBadRows{Rows: budget.Rows, Share: budget.Share, Budget: budget.String()}, nil
}

// putAside writes what the job has to know of rows set aside, and says where.
func (m *Manifest) putAside(ctx context.Context, store Store, job etl.Job) (err error) {
	if m.BadRows == nil {
		return nil
	}
	if m.BadRows.HandOver, err = store.URI(handOverName(job.ID)); err != nil {
		return err
	}
	doc, err := asideOf(job)
	if err != nil || len(doc.Open)+len(doc.Mended) == 0 {
		return err
	}
	data, err := json.Marshal(doc)
	if err != nil {
		return etl.WithOutcome(etl.Terminal, errors.New("rows set aside cannot be written down"))
	}
	m.BadRows.Aside, err = store.Put(ctx, asideName(job.ID), data)
	return err
}

func asideOf(job etl.Job) (doc AsideDocument, err error) {
	if job.Aside == nil {
		return doc, nil
	}
	for _, row := range job.Aside.Open {
		doc.Open = append(doc.Open, AsideRow{LoadID: row.LoadID, ID: row.ID, Key: row.Key, Place: row.Place()})
	}
	for i, f := range job.Load.Files {
		row, ok := job.Aside.Mended[f.ID()]
		if !ok {
			continue
		}
		raw, ok := job.Table.Format.(etl.RawFormat)
		if !ok {
			return doc, undeclared(errors.New("the table's format does not read single records"))
		}
		format, err := declare("the format of mended rows", raw.Mended())
		if err != nil {
			return doc, err
		}
		doc.Mended = append(doc.Mended, AsideMended{File: i, Content: row.Mended, Place: row.Place(), Format: format})
	}
	return doc, nil
}

// ReadHandedOver reads what a job has handed over. It returns an error that wraps
// [etl.ErrNotFound] where there is nothing, and a terminal one where it is no such
// document.
func ReadHandedOver(ctx context.Context, store Store, jobID string) (handed etl.HandedOver, err error) {
	if err := CheckJobID(jobID); err != nil {
		return handed, err
	}
	uri, err := store.URI(handOverName(jobID))
	if err != nil {
		return handed, err
	}
	data, err := store.Get(ctx, uri, MaxHandedOver)
	if err != nil {
		return handed, fmt.Errorf("bad rows of job %s: %w", jobID, err)
	}
	if json.Unmarshal(data, &handed) != nil || handed.LoadID == "" {
		return etl.HandedOver{}, etl.WithOutcome(etl.Terminal, fmt.Errorf("bad rows of job %s: not such a document", jobID))
	}
	return handed, nil
}

// putHandedOver hands bad rows over as a job does.
func putHandedOver(ctx context.Context, store Store, jobID string, handed etl.HandedOver) error {
	data, err := json.Marshal(handed)
	if err != nil {
		return etl.WithOutcome(etl.Terminal, errors.New("bad rows cannot be written down"))
	}
	if len(data) > MaxHandedOver {
		return etl.WithOutcome(etl.Terminal, fmt.Errorf("the bad rows take more than %d bytes", MaxHandedOver))
	}
	if _, err := store.Put(ctx, handOverName(jobID), data); err != nil {
		return fmt.Errorf("hand over bad rows: %w", err)
	}
	return nil
}

// Forget removes the documents of a job that hold values of cells. It is no error
// where there are none.
func Forget(ctx context.Context, store Store, jobID string) error {
	if err := CheckJobID(jobID); err != nil {
		return err
	}
	return errors.Join(store.Remove(ctx, handOverName(jobID)), store.Remove(ctx, asideName(jobID)))
}
