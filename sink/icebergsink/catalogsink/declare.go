package catalogsink

import (
	"errors"
	"maps"

	"github.com/tidemark-data/etl"
)

// Declare implements [etl.Declarer]: Options.Declared, whose kind is "iceberg" and
// whose options are
//
//	catalog     name of the catalog
//	type        "jdbc", "glue" or "rest"
//	uri         of the catalog, as "jdbc:sqlite:/lake/catalog.db"; empty with "glue"
//	warehouse   as the catalog takes it
//	side        where the orders of deleted keys are kept; empty is ".tidemark"
//	            beside the table's location
//	properties  of the catalog and its file IO, as Iceberg's Java library names them
//
// There are no secrets in it: the engine brings its own credentials.
func (s *Sink) Declare() (etl.Declaration, error) {
	d := s.opts.Declared
	if d.Kind == "" {
		return d, errors.New("the catalog is known to this process only")
	}
	d.Options = maps.Clone(d.Options)
	return d, nil
}
