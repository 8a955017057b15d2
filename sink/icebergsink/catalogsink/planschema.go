package catalogsink

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/apache/iceberg-go"
	"github.com/apache/iceberg-go/catalog"

	"github.com/tidemark-data/etl"
)

var _ etl.SchemaPlanner = (*Sink)(nil)

// PlanSchema implements [etl.SchemaPlanner].
func (s *Sink) PlanSchema(ctx context.Context, target etl.Target) (etl.SchemaPlan, error) {
	tbl, err := s.load(ctx, target.Name)
	if errors.Is(err, catalog.ErrNoSuchTable) || errors.Is(err, catalog.ErrNoSuchNamespace) {
		return planned(etl.SchemaPlan{New: true}, &remake{record: target.Evolution.Recorded(nil)})
	}
	if err != nil {
		return etl.SchemaPlan{}, err
	}
	_, made, err := remade(tbl, target)
	if err != nil {
		return etl.SchemaPlan{}, err
	}
	return planned(etl.SchemaPlan{SchemaID: tbl.Schema().ID, LastColumnID: tbl.Metadata().LastColumnID()}, made)
}

// planned completes a plan by what the commit does.
func planned(plan etl.SchemaPlan, made *remake) (etl.SchemaPlan, error) {
	if made == nil || made.record == nil && !made.remakes() {
		return plan, nil
	}
	summary, props := iceberg.Properties{}, iceberg.Properties{}
	made.marks(summary, props)
	plan.Summary, plan.Properties = summary, props
	if !made.remakes() {
		return plan, nil
	}
	text, err := json.Marshal(made.schema)
	if err != nil {
		return etl.SchemaPlan{}, terminal(fmt.Errorf("write the schema down: %w", err))
	}
	plan.Schema = text
	return plan, nil
}
