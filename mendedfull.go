package etl

// Mended rows of a full load stand below every change, and among the rows of the full
// load the rules of order are as everywhere. A committed row shows its order where it
// is one of the full load ([Found.Base]), or a mended one of that, of which an order is
// remembered that is empty. Any other committed row, and any other remembered order, is
// that of a change.

// fullFiles tells which files of a load are mended rows of a full load whose orders
// matter; nil if there are none. In tables of ModeHistory such a row comes on top of
// what its key has.
func (c *Changes) fullFiles() []bool {
	if c.order == nil || c.chronicles() || c.load.Kind == Full {
		return nil
	}
	var files []bool
	for i := range c.load.Files {
		if c.mendsFull(i) {
			if files == nil {
				files = make([]bool, len(c.load.Files))
			}
			files[i] = true
		}
	}
	return files
}

// WantsBase reports whether Resolve looks at the ordering columns of committed rows that
// are [Found.Base], too: mended rows of the full load have to beat them.
func (p *Part) WantsBase() bool { return p.c.full != nil }

// fullRows are what is known of the rows of the full load, by key. Its methods take nil
// for loads that bring no mended ones.
type fullRows struct {
	part    *Part
	orders  [][]byte // greatest known of a row of the full load
	changed []bool   // there is a change of the key
	tells   bool     // the table tells mended rows of the full load from changes
}

func newFullRows(p *Part) *fullRows {
	if p.c.full == nil {
		return nil
	}
	t := p.c.target
	return &fullRows{
		part: p, orders: make([][]byte, p.Len()), changed: make([]bool, p.Len()),
		tells: len(t.OrderBy) > 0 && t.TombstoneRetention > 0,
	}
}

// has reports whether a change of the part is a mended row of the full load.
func (f *fullRows) has(i int64) bool {
	return f != nil && f.part.c.full[f.part.in.fileOf(f.part.all.changes[i].mark.position())]
}

// committed takes in a row of the table, with the order that it shows.
func (f *fullRows) committed(k int32, base bool, order []byte) {
	if f != nil {
		f.orders[k], f.changed[k] = order, f.tells && !base
	}
}

func (f *fullRows) remembered(k int32, order []byte) {
	if f != nil {
		f.changed[k] = len(order) > 0
	}
}

// wins says whether a change of order o wins key k, of whose changes w is the greatest
// order known, and takes note of it if it does.
func (f *fullRows) wins(i int64, k int32, o []byte, w *[]byte) bool {
	if f.has(i) {
		return !f.changed[k] && wins(o, &f.orders[k])
	}
	won := wins(o, w)
	if f != nil && won {
		f.changed[k] = true
	}
	return won
}
