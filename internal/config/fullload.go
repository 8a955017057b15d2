package config

import "github.com/tidemark-data/etl"

// fullLoads reads what full loads do, and which of them are staged.
func fullLoads(o *object, t *etl.Table) {
	if mode := o.get("full_load"); mode.given() {
		mode.str((*string)(&t.FullLoads))
	}
	s := o.get("staging").object("a mapping with mode, min_bytes, min_files and workers")
	if mode := s.get("mode"); mode.given() {
		mode.str((*string)(&t.Staging.Mode))
	}
	s.get("min_bytes").size(&t.Staging.MinBytes)
	s.get("min_files").int(&t.Staging.MinFiles)
	s.get("workers").int(&t.Staging.Workers)
	s.done()
}
