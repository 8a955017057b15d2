package dispatch

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"github.com/tidemark-data/etl"
)

// Store keeps the documents of jobs where both sides reach them: manifests and
// code for the engine, results for the dispatcher. Implementations are safe for
// concurrent use.
type Store interface {
	// Put stores a document, or replaces it, in one step: a reader sees the old
	// one or the new one. It returns where engines find it. Names satisfy
	// [CheckName]; others are refused.
	Put(ctx context.Context, name string, data []byte) (uri string, err error)
	// Get reads a document by its URI. It returns an error that wraps
	// etl.ErrNotFound where there is none, and a terminal one where it is longer
	// than max bytes or the URI is outside of the store.
	Get(ctx context.Context, uri string, max int64) ([]byte, error)
	// Remove removes the document of that name for good. It is no error where there
	// is none.
	Remove(ctx context.Context, name string) error
	// URI returns where the document of that name is, or will be.
	URI(name string) (string, error)
}

// Documents say where those of a job are.
type Documents struct {
	Manifest string
	Result   string
}

// MaxResult is the greatest size in bytes of a result that ReadResult takes.
const MaxResult = 1 << 20

// PutManifest writes the manifest of a job into the store and returns where it
// is, and where the job is to leave its result. Doing it twice does no harm. Its
// errors are those of [NewManifest] and of the store.
func PutManifest(ctx context.Context, store Store, job etl.Job) (Documents, error) {
	docs, err := Locate(store, job.ID)
	if err != nil {
		return docs, err
	}
	m, err := NewManifest(ctx, job)
	if err != nil {
		return docs, err
	}
	if err := m.putAside(ctx, store, job); err != nil {
		return docs, fmt.Errorf("bad rows for job %s: %w", job.ID, err)
	}
	data, err := json.Marshal(m)
	if err != nil {
		return docs, etl.WithOutcome(etl.Terminal, fmt.Errorf("manifest of job %s: %w", job.ID, err))
	}
	if _, err := store.Put(ctx, manifestName(job.ID), data); err != nil {
		return docs, fmt.Errorf("manifest of job %s: %w", job.ID, err)
	}
	return docs, nil
}

// Locate returns where the documents of a job are, or will be.
func Locate(store Store, jobID string) (docs Documents, err error) {
	if err := CheckJobID(jobID); err != nil {
		return docs, err
	}
	if docs.Manifest, err = store.URI(manifestName(jobID)); err == nil {
		docs.Result, err = store.URI(resultName(jobID))
	}
	return docs, err
}

func manifestName(jobID string) string { return "jobs/" + jobID + "/manifest.json" }
func resultName(jobID string) string   { return "jobs/" + jobID + "/result.json" }

// PutCode stores a file of the job's code under a name that tells its content, so
// that jobs of several versions do not meet.
func PutCode(ctx context.Context, store Store, digest, name string, data []byte) (uri string, err error) {
	return store.Put(ctx, "code/"+digest+"/"+name, data)
}

// ReadResult reads what a job has left at a URI; nil without an error where there
// is nothing yet. A result that is not one of that job is a terminal error: only
// the table can tell then what the job did.
func ReadResult(ctx context.Context, store Store, jobID, uri string) (*etl.JobResult, error) {
	data, err := store.Get(ctx, uri, MaxResult)
	if errors.Is(err, etl.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("result of job %s: %w", jobID, err)
	}
	var r etl.JobResult
	if err := json.Unmarshal(data, &r); err != nil {
		return nil, badResult(jobID, "is not the JSON of a result")
	}
	switch {
	case r.JobID != jobID:
		return nil, badResult(jobID, "is that of another job")
	case (r.Receipt == nil) == (r.Failure == nil):
		return nil, badResult(jobID, "has neither or both of a receipt and a failure")
	}
	return &r, nil
}

func badResult(jobID, what string) error {
	return etl.WithOutcome(etl.Terminal, fmt.Errorf("result of job %s %s", jobID, what))
}

// maxName is the greatest length of a name in bytes.
const maxName = 512

// CheckName reports whether a name is fit for a [Store]: parts of letters, digits
// and "._-" between slashes, none of them beginning with a dot, at most 512 bytes.
func CheckName(name string) error {
	ok := fs.ValidPath(name) && len(name) <= maxName
	for _, part := range strings.Split(name, "/") {
		ok = ok && !strings.HasPrefix(part, ".") && onlyOf(part, letters+"._-")
	}
	if !ok {
		return etl.WithOutcome(etl.Terminal, errors.New("not the name of a document"))
	}
	return nil
}

const letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"

// CheckJobID reports whether an ID is one of an [etl.Job]: letters, digits and
// hyphens, at most 64 of them.
func CheckJobID(id string) error {
	if id == "" || len(id) > 64 || !onlyOf(id, letters+"-") {
		return etl.WithOutcome(etl.Terminal, errors.New("a job's ID is made of up to 64 letters, digits and hyphens"))
	}
	return nil
}

func onlyOf(s, set string) bool {
	return strings.IndexFunc(s, func(r rune) bool { return !strings.ContainsRune(set, r) }) < 0
}
