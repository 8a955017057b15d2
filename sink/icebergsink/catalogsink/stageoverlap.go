package catalogsink

import (
	"cmp"
	"slices"

	"github.com/tidemark-data/etl"
)

// reach are the bounds of a staged file's first key column.
type reach struct {
	index  int
	lo, hi value
}

// overlapping returns the indexes of files that may share keys with others, rising.
func (p *publication) overlapping() ([]int, error) {
	if p.target.Mode == etl.ModeAppend {
		return nil, nil // there are no keys
	}
	all := make([]int, 0, len(p.files))
	var spans []reach
	known := true
	for i, f := range p.files {
		if len(f.data) == 0 && !f.sheet {
			continue
		}
		all = append(all, i)
		if !known {
			continue
		}
		r := reach{index: i}
		var err error
		if known, err = p.reach(f, &r); err != nil {
			return nil, err
		}
		spans = append(spans, r)
	}
	if len(all) < 2 {
		return nil, nil
	}
	if !known {
		return all, nil
	}
	return meeting(spans), nil
}

// meeting returns the indexes of those that overlap another.
func meeting(spans []reach) []int {
	slices.SortFunc(spans, func(a, b reach) int { return cmp.Or(a.lo.compare(b.lo), cmp.Compare(a.index, b.index)) })
	var out []int
	first, high := 0, 0 // of the run of spans that hang together; the one that reaches highest
	flush := func(to int) {
		if to-first > 1 {
			for _, s := range spans[first:to] {
				out = append(out, s.index)
			}
		}
	}
	for i := 1; i < len(spans); i++ {
		if spans[i].lo.compare(spans[high].hi) > 0 {
			flush(i)
			first, high = i, i
		} else if spans[i].hi.compare(spans[high].hi) > 0 {
			high = i
		}
	}
	flush(len(spans))
	slices.Sort(out)
	return out
}

func (p *publication) reach(f *stagedData, r *reach) (bool, error) {
	key, err := p.column(p.target.Key[0])
	if err != nil {
		return false, err
	}
	typ := p.target.Columns[p.target.Columns.Index(p.target.Key[0])].Type
	ice, err := icebergType(typ)
	if err != nil {
		return false, err
	}
	some := false
	widen := func(lo, hi value) {
		if !some || lo.compare(r.lo) < 0 {
			r.lo = lo
		}
		if !some || hi.compare(r.hi) > 0 {
			r.hi = hi
		}
		some = true
	}
	for _, df := range f.data {
		lo, ok1 := fromLiteral(ice, df.LowerBoundValues()[key.id])
		hi, ok2 := fromLiteral(ice, df.UpperBoundValues()[key.id])
		if !ok1 || !ok2 || lo.compare(hi) > 0 {
			return false, nil
		}
		widen(lo, hi)
	}
	if f.sheet {
		sheet, err := p.openSheet(f.run)
		if err != nil {
			return false, err
		}
		defer sheet.close()
		lo, hi, ok := sheet.bounds(typ)
		if !ok {
			return false, nil
		}
		widen(lo, hi)
	}
	return true, nil
}
