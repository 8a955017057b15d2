package main

import "github.com/tidemark-data/etl"

// jobDoc is a job with its duration in seconds, as everywhere in --json.
type jobDoc struct {
	*etl.JobState
	Timeout        *struct{} `json:"timeout,omitempty"` // hides that of JobState
	TimeoutSeconds float64   `json:"timeout_seconds,omitempty"`
}

func newJobDoc(j *etl.JobState) *jobDoc {
	if j == nil {
		return nil
	}
	return &jobDoc{JobState: j, TimeoutSeconds: j.Timeout.Seconds()}
}
