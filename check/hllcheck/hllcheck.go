// Package hllcheck counts distinct values by HyperLogLog, for checks and profiles. It
// is a package of its own because the sketch is a third party's code.
package hllcheck

import (
	"github.com/axiomhq/hyperloglog"

	"github.com/tidemark-data/etl"
	"github.com/tidemark-data/etl/check"
)

// sketch is a HyperLogLog of 2^14 registers, which is sparse as long as that takes less
// memory.
type sketch struct{ *hyperloglog.Sketch }

var (
	_ check.DistinctCounter = sketch{}
	_ etl.Declarer          = sketch{}
)

// Declare implements [etl.Declarer]: other engines make the same sketch, so that their
// counts are the same.
func (sketch) Declare() (etl.Declaration, error) {
	return etl.Declaration{Kind: "hyperloglog", Options: map[string]any{"precision": 14}}, nil
}

// Distinct holds where the column has at least least and at most most distinct values
// in the load; a negative most is no limit. Nulls are none of them. It takes some 16
// KiB of memory. Up to some thousand values the count is all but exact, above that
// its standard error is 0.8 % (Heule, Nunkesser, Hall, "HyperLogLog in Practice", 2013).
func Distinct(column string, least, most int64) etl.Check {
	return check.DistinctBy(column, least, most, NewCounter)
}

// NewCounter returns a counter of that kind. Equal sets of values give about equal
// counts in any order, in every process.
func NewCounter() check.DistinctCounter { return sketch{hyperloglog.New()} }
