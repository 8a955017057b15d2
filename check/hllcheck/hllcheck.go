// Package hllcheck counts distinct values by HyperLogLog, for checks and profiles. It
// is a package of its own because the sketch is a third party's code.
package hllcheck

import (
	"github.com/axiomhq/hyperloglog"

	"github.com/tidemark-data/etl"
	"github.com/tidemark-data/etl/check"
)

var _ check.DistinctCounter = (*hyperloglog.Sketch)(nil)

// Distinct holds where the column has at least least and at most most distinct values
// in the load; a negative most is no limit. Nulls are none of them. It takes some 16
// KiB of memory. Up to some thousand values the count is all but exact, above that
// its standard error is 0.8 % (Heule, Nunkesser, Hall, "HyperLogLog in Practice", 2013).
func Distinct(column string, least, most int64) etl.Check {
	return check.DistinctBy(column, least, most, NewCounter)
}

// NewCounter returns a counter of that kind. Equal sets of values give about equal
// counts in any order, in every process.
func NewCounter() check.DistinctCounter { return hyperloglog.New() }
