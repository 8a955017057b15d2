package config

import (
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/goccy/go-yaml/ast"

	"github.com/tidemark-data/etl"
	"github.com/tidemark-data/etl/check"
	"github.com/tidemark-data/etl/check/hllcheck"
)

// checkReaders read the checks by the names that the file has for them.
func checkReaders() map[string]func(*object) etl.Check {
	return map[string]func(*object) etl.Check{
		"rows": rowsCheck, "rows_of": rowsOfCheck, "complete": completeCheck, "unique": uniqueCheck,
		"range": rangeCheck, "allowed": allowedCheck, "pattern": patternCheck, "fresh": freshCheck,
		"distinct": distinctCheck, "volume": volumeCheck, "references": referencesCheck,
	}
}

// checks reads a list of mappings of one key, which names the check.
func checks(v value) []etl.TableCheck {
	readers := checkReaders()
	var out []etl.TableCheck
	for _, item := range v.list("a list of checks") {
		o := item.object("a check such as complete: {column: name}")
		name, read, ok := named(o, "check", readers)
		if !ok {
			continue
		}
		fields := o.fields[name].object("a mapping")
		var c etl.TableCheck
		given(fields.get("action"), (*string)(&c.Action))
		c.Check = read(fields)
		fields.done()
		out = append(out, c)
	}
	return out
}

// validChecks reports what is wrong with single checks at their lines.
func validChecks(v value, t etl.Table) {
	target, err := t.Target()
	if err != nil {
		return // reported with the table
	}
	for i, item := range v.list("") {
		if i >= len(t.Checks) {
			return
		}
		if c, ok := t.Checks[i].Check.(etl.CheckValidator); ok {
			if err := c.Validate(target); err != nil {
				item.bad("%s", err)
			}
		}
	}
}

func rowsCheck(o *object) etl.Check {
	least, most := bounds(o)
	return check.Rows(least, most)
}

// bounds reads min and max, of which the latter is -1 where it is left out.
func bounds(o *object) (least, most int64) {
	most = -1
	low, high := o.get("min"), o.get("max")
	if !low.given() && !high.given() && o.given() {
		o.bad("has neither min nor max")
	}
	if low.given() {
		low.int64(&least)
	}
	if high.given() {
		high.int64(&most)
	}
	return least, most
}

func rowsOfCheck(o *object) etl.Check {
	folder, suffix := o.d.source, ".count"
	if f := o.get("folder"); f.given() {
		f.str(&folder)
		folder = o.d.beside(folder)
	}
	given(o.get("suffix"), &suffix)
	if suffix == "" && folder == o.d.source {
		o.bad("suffix is empty, which means the data itself")
	}
	return check.RowsOf(check.CountFiles(os.DirFS(folder), suffix))
}

func completeCheck(o *object) etl.Check {
	share := 1.0
	column := columnOf(o)
	o.get("share").share(&share)
	return check.Complete(column, share)
}

func columnOf(o *object) (column string) {
	o.need("column").str(&column)
	return column
}

// share reads a part of the whole: 0.95 or 95%.
func (v value) share(dst *float64) {
	const what = "a share such as 0.95 or 95%"
	switch n := v.node.(type) {
	case *ast.FloatNode:
		*dst = n.Value
	case *ast.IntegerNode:
		var i int64
		if v.int64(&i) {
			*dst = float64(i)
		}
	case *ast.StringNode:
		number, ok := strings.CutSuffix(n.Value, "%")
		f, err := strconv.ParseFloat(strings.TrimSpace(number), 64)
		if !ok || err != nil {
			v.bad("%q is not %s", n.Value, what)
			return
		}
		*dst = f / 100
	default:
		v.wants(what)
	}
	if !(*dst >= 0 && *dst <= 1) {
		v.bad("is not between 0 and 1")
	}
}

func uniqueCheck(o *object) etl.Check { return check.Unique(o.need("columns").names()...) }

func rangeCheck(o *object) etl.Check {
	column := columnOf(o)
	return check.Range(column, o.get("min").scalar(), o.get("max").scalar())
}

// scalar reads a value of a column: text, or a number as it is written.
func (v value) scalar() string {
	switch n := v.node.(type) {
	case nil:
	case *ast.StringNode, *ast.LiteralNode:
		s, _ := v.text()
		return s
	case *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode:
		return n.GetToken().Value
	default:
		v.wants("a value")
	}
	return ""
}

func allowedCheck(o *object) etl.Check {
	column := columnOf(o)
	var values []string
	for _, v := range o.need("values").list("a list of values") {
		values = append(values, v.scalar())
	}
	return check.Allowed(column, values...)
}

func patternCheck(o *object) etl.Check {
	var match string
	column := columnOf(o)
	o.need("match").str(&match)
	return check.Pattern(column, match)
}

func freshCheck(o *object) etl.Check {
	var within time.Duration
	column := columnOf(o)
	o.need("within").duration(&within)
	return check.Fresh(column, within)
}

func distinctCheck(o *object) etl.Check {
	column := columnOf(o)
	least, most := bounds(o)
	return hllcheck.Distinct(column, least, most)
}

func volumeCheck(o *object) etl.Check {
	low, high, loads := 0.5, 2.0, 10
	o.get("min").factor(&low)
	o.get("max").factor(&high)
	if n := o.get("loads"); n.given() {
		n.int(&loads)
	}
	return check.Volume(low, high, loads)
}

// factor reads a number that need not be whole.
func (v value) factor(dst *float64) {
	switch n := v.node.(type) {
	case nil:
	case *ast.FloatNode:
		*dst = n.Value
	case *ast.IntegerNode:
		var i int64
		if v.int64(&i) {
			*dst = float64(i)
		}
	default:
		v.wants("a number")
	}
}

func referencesCheck(o *object) etl.Check {
	var table string
	var columns, others []string
	o.need("table").str(&table)
	on := o.need("on").object("a mapping from columns of the table to columns of the other")
	for _, name := range on.names {
		other := name
		on.fields[name].str(&other)
		columns, others = append(columns, name), append(others, other)
	}
	return check.References(columns, table, others)
}
