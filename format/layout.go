package format

import etl "github.com/tidemark-data/etl"

// Override places single files by hand, ahead of another layout.
type Override struct {
	// Files are placements by location. The zero Placement says that the file
	// is not to be recognised, whatever Layout thinks of it.
	Files map[string]etl.Placement
	// Layout is asked for all other locations; nil recognises none.
	Layout etl.Layout
}

var _ etl.Layout = Override{}

// Place implements [etl.Layout].
func (o Override) Place(location string) (etl.Placement, bool) {
	if p, ok := o.Files[location]; ok {
		return p, (p.Table != "") != p.Mixed && p.Kind != etl.Unknown
	}
	if o.Layout == nil {
		return etl.Placement{}, false
	}
	return o.Layout.Place(location)
}

// FirstOf returns a layout that asks the layouts in turn and takes the first
// answer. Layouts that share a table must make orders that compare.
func FirstOf(layouts ...etl.Layout) etl.Layout {
	return etl.LayoutFunc(func(location string) (etl.Placement, bool) {
		for _, l := range layouts {
			if p, ok := l.Place(location); ok {
				return p, true
			}
		}
		return etl.Placement{}, false
	})
}
