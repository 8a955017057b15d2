// Package jobtest has a job for tests of dispatchers, and a program that does with
// its manifest what matters to a dispatcher, and needs no Spark.
package jobtest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/tidemark-data/etl"
	"github.com/tidemark-data/etl/dispatch"
	"github.com/tidemark-data/etl/format"
)

// Job returns a job of a table with a file.
func Job(id string) etl.Job {
	return etl.Job{
		ID: id,
		Table: etl.Table{
			Name: "hr.people", Key: []string{"id"}, Columns: etl.Columns{{Name: "id", Type: etl.Long}},
			Format: format.CSV{FullColumns: []string{"id"}, ChangeColumns: []string{"id"}},
		},
		Load: etl.Load{
			ID: "load-of-" + id, Table: "hr.people", Kind: etl.Full, Epoch: 1, Fence: 7,
			Files: []etl.File{{Location: "a.csv", Size: 3, ETag: "e"}},
		},
		URIs: []string{"s3://raw/a.csv"}, Sink: etl.Declaration{Kind: "iceberg"}, Timeout: 10 * time.Minute,
	}
}

// Spark is an engine's program, and the table that it writes. It is safe for
// concurrent use.
type Spark struct {
	Store dispatch.Store

	mu      sync.Mutex
	applied map[string]int // how often, by load
}

// Applied returns how often a load is in the table.
func (s *Spark) Applied(loadID string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.applied[loadID]
}

// Run works off a manifest and leaves a result. What it does is in the job's ID:
// "bad" fails, "long" never ends.
func (s *Spark) Run(ctx context.Context, manifest, result string) error {
	data, err := s.Store.Get(ctx, manifest, 1<<20)
	if err != nil {
		return err
	}
	var m dispatch.Manifest
	if err := json.Unmarshal(data, &m); err != nil {
		return err
	}
	out := etl.JobResult{JobID: m.JobID}
	switch {
	case strings.HasPrefix(m.JobID, "long"):
		<-ctx.Done()
		return ctx.Err()
	case strings.HasPrefix(m.JobID, "bad"):
		rule := &etl.RowError{File: m.Files[0].Location, Row: 2, Column: "id", Rule: "not a long"}
		out.Failure = &etl.JobFailure{Diagnosis: etl.Diagnose(rule, m.Load.ID), Outcome: etl.Terminal.String()}
	default:
		s.apply(m.Load.ID)
		out.Receipt = &etl.Receipt{LoadID: m.Load.ID, Counts: etl.Counts{Read: 1, Inserted: 1, RowsAfter: 1}}
	}
	left, err := json.Marshal(out)
	if err != nil {
		return err
	}
	if _, err := s.Store.Put(ctx, "jobs/"+m.JobID+"/result.json", left); err != nil {
		return err
	}
	if uri, err := s.Store.URI("jobs/" + m.JobID + "/result.json"); err != nil || uri != result {
		return fmt.Errorf("the result belongs elsewhere: %w", err)
	}
	if out.Failure != nil {
		return errors.New("exit code 1")
	}
	return nil
}

// apply looks for the load first, as every job does.
func (s *Spark) apply(loadID string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.applied == nil {
		s.applied = map[string]int{}
	}
	if s.applied[loadID] == 0 {
		s.applied[loadID]++
	}
}
