package etl

import (
	"context"
	"errors"
	"slices"

	"github.com/tidemark-data/etl/internal/rowkey"
)

// watchedRow is a bad row whose key is watched: a later good change of it overtakes
// the row. It is one of the load itself, or one set aside before.
type watchedRow struct {
	row       BadRow
	at        int64 // position, of a row of the load itself; else -1
	overtaken bool
}

// watches reports whether keys are looked for.
func (b *badRows) watches() bool { return b != nil && len(b.watched) > 0 }

// begin is called after the first pass of each attempt, which has read so many good
// rows.
func (b *badRows) begin(ctx context.Context, in *inputs, good int64) error {
	if b == nil {
		return nil
	}
	b.in, b.read = in, good+b.n
	if err := b.exceeds(); err != nil {
		return err
	}
	b.watched = nil
	if b.c.load.Kind != Full { // which overtakes what was set aside before it, whatever its keys
		for _, row := range b.aside.open {
			if row.Key != nil {
				b.watched = append(b.watched, &watchedRow{row: row, at: -1})
			}
		}
	}
	for file, rows := range b.out {
		if len(rows) == 0 {
			continue
		}
		keys, err := b.keys(ctx, file)
		if err != nil {
			return inFile(b.c.load.Files[file].Location, err)
		}
		for row := range rows {
			b.watched = append(b.watched, &watchedRow{row: BadRow{FileID: b.c.load.Files[file].ID(), Row: row, Key: keys[row]}, at: in.base[file] + row})
		}
	}
	return nil
}

// keys reads the keys of the bad rows of a file, as far as they can be read.
func (b *badRows) keys(ctx context.Context, file int) (map[int64][]byte, error) {
	c := b.c
	in, err := c.source.Open(ctx, c.load.Files[file])
	if err != nil {
		return nil, err
	}
	req := ScanRequest{
		Location: c.load.Files[file].Location, Kind: c.load.Kind, Tolerant: true,
		Select: func(row int64) bool { return b.out[file][row] != nil },
	}
	for _, name := range c.table.Key {
		req.Columns = append(req.Columns, ScanColumn{Column: c.table.Columns[c.table.Columns.Index(name)]})
	}
	keys := map[int64][]byte{}
	for rows, err := range c.formatOf(file).Scan(ctx, in, req) {
		if err != nil {
			return nil, errors.Join(err, in.Close())
		}
		for i, n := range rows.Numbers {
			row := rows.Record.NewSlice(int64(i), int64(i+1))
			if key := c.keyOf(ctx, row.Columns()); key != nil {
				keys[n] = key
			}
			row.Release()
		}
	}
	return keys, in.Close()
}

// look finds out which watched keys a part changes.
func (b *badRows) look(r *Resolution) error {
	if !b.watches() {
		return nil
	}
	key := b.c.key
	var rows []*watchedRow
	var batch rowkey.Batch
	batch.Reset(key)
	for _, w := range b.watched {
		if k := w.row.Key; k == nil || key.Form() != rowkey.Bytes && len(k) != key.Width() {
			continue // unknown, or of a table that was declared in another way
		}
		batch.AppendEncoded(w.row.Key)
		rows = append(rows, w)
	}
	batch.Done()
	found := make([]int32, len(rows))
	r.part.keys.Find(&batch, found)
	last := r.part.lastChanges(found)
	for i, w := range rows {
		if at, ok := last[found[i]]; ok && b.overtakes(w, at) {
			w.overtaken = true
		}
	}
	return nil
}

// lastChanges returns the position of the last change of each key.
func (p *Part) lastChanges(keys []int32) map[int32]int64 {
	last := map[int32]int64{}
	for _, k := range keys {
		if k < 0 {
			continue
		}
		last[k] = 0
		if p.latest != nil {
			last[k] = max(p.latest.lastOf(k), p.latest.highOf(k)).position()
		}
	}
	if p.all != nil {
		for _, c := range p.all.changes {
			for _, k := range []int32{c.key, c.old} {
				if at, ok := last[k]; ok && k >= 0 {
					last[k] = max(at, c.mark.position())
				}
			}
		}
	}
	return last
}

// overtakes reports whether a change at a position is later than a watched row.
func (b *badRows) overtakes(w *watchedRow, at int64) bool {
	if at == 0 || w.at >= 0 {
		return at > 0 && at > w.at
	}
	if mended, ok := b.aside.mended[b.c.load.Files[b.in.fileOf(at)].ID()]; ok {
		return mended.place().compare(w.row.place()) > 0 // it stands where it was set aside
	}
	return true
}

// fileOf returns the file that has the row at a position.
func (in *inputs) fileOf(at int64) int {
	file, _ := slices.BinarySearch(in.base, at)
	return file - 1
}
