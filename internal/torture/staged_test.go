package torture

import (
	"fmt"
	"path"
	"strings"
	"sync/atomic"

	etl "github.com/tidemark-data/etl"
	"github.com/tidemark-data/etl/etltest"
)

// refused counts the histories that were not played because they cannot be staged.
var refused atomic.Int64

// mixed reports whether a full-load file of a history has a key both with and without
// an order, which cannot be staged.
func mixed(h *etltest.History) bool {
	for _, s := range h.Steps {
		for _, l := range s.Land {
			if strings.HasPrefix(path.Base(l.Location), "LOAD") && mixes(h.Table, l.Rows) {
				return true
			}
		}
	}
	return false
}

func mixes(t etl.Table, rows []etltest.Change) bool {
	const with, without = 1, 2
	seen := map[string]int{}
	for _, r := range rows {
		key, order := "", with
		for _, k := range t.Key {
			key += fmt.Sprintf("%q ", fmt.Sprint(r.Values[t.Columns.Index(k)]))
		}
		for _, o := range t.OrderBy {
			if r.Values[t.Columns.Index(o)] == nil {
				order = without
			}
		}
		if seen[key] |= order; seen[key] == with|without {
			return true
		}
	}
	return false
}
