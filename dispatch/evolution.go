package dispatch

import (
	"encoding/json"
	"errors"

	"github.com/tidemark-data/etl"
)

// ManifestEvolution says how files are read that differ from the table's declaration,
// and which schema the commit makes ([etl.SchemaPlan]).
type ManifestEvolution struct {
	// Shapes are those of the files, in their order; null is as the table's columns say.
	Shapes []*ManifestShape `json:"shapes"`
	// Nulls are the required columns in which a null ends the job.
	Nulls []string `json:"nulls,omitempty"`
	// New is set where there is no table yet. Else SchemaID and LastColumnID are those
	// of the table that Schema was made for.
	New          bool `json:"new,omitempty"`
	SchemaID     int  `json:"schema_id"`
	LastColumnID int  `json:"last_column_id"`
	// Schema is the one to make the current one, absent where it stays.
	Schema json.RawMessage `json:"schema,omitempty"`
	// Summary and Properties go to the snapshot and to the table.
	Summary    map[string]string `json:"summary,omitempty"`
	Properties map[string]string `json:"properties,omitempty"`
}

// ManifestShape is an [etl.FileShape].
type ManifestShape struct {
	Names  map[string]string   `json:"names,omitempty"`
	Types  map[string]etl.Type `json:"types,omitempty"`
	Texts  map[string]etl.Type `json:"texts,omitempty"`
	Sparse []string            `json:"sparse,omitempty"`
	Guards []ManifestColumn    `json:"guards,omitempty"`
}

func evolutionOf(job etl.Job) (*ManifestEvolution, error) {
	if job.Target.Evolution == nil {
		return nil, nil
	}
	plan := job.Schema
	if plan == nil {
		return nil, undeclared(errors.New("the sink does not say what a contract makes of its table's columns"))
	}
	m := &ManifestEvolution{
		Nulls: job.Nulls, New: plan.New, SchemaID: plan.SchemaID, LastColumnID: plan.LastColumnID, Schema: plan.Schema,
		Summary: plan.Summary, Properties: plan.Properties, Shapes: make([]*ManifestShape, len(job.Load.Files)),
	}
	for i, s := range job.Shapes {
		if s != nil {
			m.Shapes[i] = &ManifestShape{Names: s.Names, Types: s.Types, Texts: s.Texts, Sparse: s.Sparse, Guards: columns(s.Guards)}
		}
	}
	return m, nil
}
