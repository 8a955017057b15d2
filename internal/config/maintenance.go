package config

import (
	"time"

	"github.com/goccy/go-yaml/ast"

	"github.com/tidemark-data/etl"
)

// maintenance reads how a table is kept in shape.
func maintenance(v value) (m etl.Maintenance) {
	o := v.object("a mapping such as auto: true")
	o.get("auto").bool(&m.Auto)
	o.get("target_size").size(&m.TargetFileSize)
	o.get("rewrite").size(&m.RewriteBytes)
	countOrNever(o.get("small_files"), &m.SmallFiles)
	countOrNever(o.get("delete_files"), &m.DeleteFiles)
	countOrNever(o.get("manifests"), &m.Manifests)
	ratioOrNever(o.get("delete_ratio"), &m.DeleteRatio)
	s := o.get("snapshots").object("a mapping with age, keep and most")
	ageOrNever(s.get("age"), &m.SnapshotAge)
	countOrNever(s.get("keep"), &m.KeepSnapshots)
	countOrNever(s.get("most"), &m.MaxSnapshots)
	s.done()
	ageOrNever(o.get("orphans"), &m.OrphanAge)
	o.done()
	return m
}

// never reports whether a value is the word, and a zero as a problem: in
// etl.Maintenance zero is the default.
func never[T int | float64 | time.Duration](v value, dst *T) bool {
	if n, ok := v.node.(*ast.StringNode); ok && n.Value == "never" {
		*dst = -1
		return true
	}
	return false
}

func notZero[T int | float64 | time.Duration](v value, dst *T, before int) {
	if v.given() && *dst == 0 && len(v.d.problems) == before {
		v.bad("is zero; never switches it off")
	}
}

func countOrNever(v value, dst *int) {
	before := len(v.d.problems)
	if !never(v, dst) {
		v.int(dst)
		notZero(v, dst, before)
	}
}

func ageOrNever(v value, dst *time.Duration) {
	before := len(v.d.problems)
	if !never(v, dst) {
		v.duration(dst)
		notZero(v, dst, before)
	}
}

func ratioOrNever(v value, dst *float64) {
	before := len(v.d.problems)
	switch n := v.node.(type) {
	case *ast.FloatNode:
		*dst = n.Value
		if n.Value < 0 {
			v.bad("must not be negative")
		}
	case *ast.IntegerNode:
		var i int
		v.int(&i)
		*dst = float64(i)
	default:
		if never(v, dst) {
			return
		}
		v.wants("a share such as 0.3")
	}
	notZero(v, dst, before)
}
