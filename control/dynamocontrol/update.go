package dynamocontrol

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"

	"github.com/tidemark-data/etl"
	"github.com/tidemark-data/etl/control/internal/body"
)

// recordLimit is the greatest number of bytes of one record: an item may have to
// hold two of them.
const recordLimit = 180 << 10

// change is an update made ready.
type change struct {
	pk      string
	base    int64     // the version that it is made on
	fence   int64     // of the writer
	state   etl.State // as it will be, but for the fence
	files   []fileChange
	history []byte // JSON of the entries, nil if there are none
	// tried are the tokens of the tries so far: one without an answer may land
	// when the next is under way already.
	tried []string
}

// fileChange is the new content of one record.
type fileChange struct {
	id     string
	table  string
	data   []byte
	place  place
	insert bool // it must not exist yet
	// now is the record as read, tag that of the hint to the new content, which
	// has to be written if moves is set. gone is the hint to delete.
	now   record
	tag   string
	moves bool
	gone  item
}

// Update implements [etl.ControlStore]. Inserts go before puts; a put of a
// record that does not exist makes it. The entries of one update together are
// one item: they are read together.
func (s *Store) Update(ctx context.Context, u etl.Update) error {
	err := ctx.Err()
	var c *change
	if err == nil {
		c, err = newChange(u)
	}
	if err == nil {
		if err = s.update(ctx, c); errors.Is(err, errLanded) {
			err = nil
		}
	}
	if err != nil {
		return fmt.Errorf("dynamocontrol: table %q: %w", u.State.Table, err)
	}
	return nil
}

func newChange(u etl.Update) (*change, error) {
	c := &change{pk: PartitionKey(u.State.Table), base: u.State.Version, fence: u.Fence, state: u.State}
	c.state.Version++
	at := make(map[string]int, len(u.Insert)+len(u.Put))
	for _, r := range u.Insert {
		f, err := newFileChange(r, true)
		if err != nil {
			return nil, err
		}
		if _, ok := at[f.id]; ok {
			return nil, recorded(r.Location)
		}
		at[f.id] = len(c.files)
		c.files = append(c.files, f)
	}
	for _, r := range u.Put {
		f, err := newFileChange(r, false)
		if err != nil {
			return nil, err
		}
		if i, ok := at[f.id]; ok {
			f.insert = c.files[i].insert
			c.files[i] = f
			continue
		}
		at[f.id] = len(c.files)
		c.files = append(c.files, f)
	}
	slices.SortFunc(c.files, func(a, b fileChange) int { return cmp.Compare(a.id, b.id) })
	if len(u.Entries) == 0 {
		return c, nil
	}
	var err error
	if c.history, err = body.Marshal(u.Entries); err != nil {
		return nil, etl.WithOutcome(etl.Terminal, fmt.Errorf("entries of the history: %w", err))
	}
	return c, nil
}

func newFileChange(r etl.FileRecord, insert bool) (fileChange, error) {
	data, err := body.Marshal(r)
	if err == nil && len(data) > recordLimit {
		err = fmt.Errorf("record of %d bytes, the limit is %d", len(data), recordLimit)
	}
	if err != nil {
		return fileChange{}, etl.WithOutcome(etl.Terminal, fmt.Errorf("file %q: %w", r.Location, err))
	}
	return fileChange{id: r.ID(), table: r.Table, data: data, place: placeOf(r), insert: insert}, nil
}

func recorded(location string) error {
	return fmt.Errorf("file %q is recorded already: %w", location, etl.ErrConflict)
}

// check compares fence and version. A stale fence goes before a conflict,
// because trying again does not help.
func (c *change) check(h head) error {
	if slices.ContainsFunc(c.tried, func(token string) bool { return slices.Contains(h.recent, token) }) {
		return errLanded
	}
	if c.fence != 0 && c.fence < h.fence {
		return fmt.Errorf("fence %d, recorded is %d: %w", c.fence, h.fence, etl.ErrStaleFence)
	}
	if c.base != h.version {
		return fmt.Errorf("version %d, recorded is %d: %w", c.base, h.version, etl.ErrConflict)
	}
	return nil
}

// errLanded: an earlier try of the same update has landed.
var errLanded = errors.New("the update has landed")

// errMoved: a record was written between reading and committing. Start over.
var errMoved = errors.New("a record has changed meanwhile")

// update tries until records stay as they were read for as long as it takes to
// commit. Others can keep it from that only by writing the same records.
func (s *Store) update(ctx context.Context, c *change) error {
	for n := 1; ; n++ {
		h, err := s.head(ctx, c.pk)
		if err != nil {
			return err
		}
		if err := c.check(h); err != nil {
			return err
		}
		if h, err = s.giveWay(ctx, c, h); err != nil {
			return err
		}
		c.state.Fence = max(h.fence, c.state.Fence, c.fence)
		if h.staged {
			if err := s.sweep(ctx, c.pk, h.version); err != nil {
				return err
			}
		}
		err = s.try(ctx, c, h)
		if !errors.Is(err, errMoved) {
			return err
		}
		if n >= s.opts.Attempts {
			return fmt.Errorf("%w: %w", etl.ErrConflict, err)
		}
		if err := s.pause(ctx, n); err != nil {
			return err
		}
	}
}

func (s *Store) try(ctx context.Context, c *change, h head) error {
	token := rand.Text()
	c.tried = append(c.tried, token)
	if err := s.survey(ctx, c, token); err != nil {
		return err
	}
	st, err := body.Marshal(c.state)
	if err != nil {
		return etl.WithOutcome(etl.Terminal, err)
	}
	p := &commit{s: s, c: c, h: h, token: token, state: newDocument(st, token+"s"), history: newDocument(c.history, token+"h")}
	if p.fits() {
		return p.direct(ctx)
	}
	return p.inStages(ctx)
}

// survey reads the records and settles what is between them and the update.
func (s *Store) survey(ctx context.Context, c *change, token string) error {
	waiting := make([][]record, (len(c.files)+batchRead-1)/batchRead)
	err := s.parallel(ctx, len(waiting), func(ctx context.Context, i int) error {
		files := c.files[i*batchRead : min(len(c.files), (i+1)*batchRead)]
		ids := make([]string, len(files))
		for j := range files {
			ids[j] = files[j].id
		}
		recs, err := s.records(ctx, ids)
		if err != nil {
			return err
		}
		for j := range files {
			now := recs[files[j].id]
			if now.tx != "" {
				waiting[i] = append(waiting[i], now)
			} else if err := files[j].survey(now, token); err != nil {
				return err
			}
		}
		return nil
	})
	if w := slices.Concat(waiting...); err == nil && len(w) > 0 {
		if err = s.clear(ctx, w); err == nil {
			err = errMoved
		}
	}
	return err
}

// survey compares the new content with the record as it is.
func (f *fileChange) survey(now record, token string) error {
	f.now, f.tag, f.moves, f.gone = now, token, true, nil
	if now.data == nil {
		return nil
	}
	old, err := decode(now.data)
	if err != nil {
		return err
	}
	if f.insert {
		return recorded(old.Location)
	}
	if p := placeOf(old); p != f.place {
		f.gone = p.hintKey(f.id, now.tag)
	} else {
		f.tag, f.moves = now.tag, false
	}
	return nil
}

// hint makes the hint to the new content.
func (f *fileChange) hint() item {
	it := f.place.hintKey(f.id, f.tag)
	if f.place.class == skLive {
		it[attrAttention] = text(waiting + shard(f.place.pk))
		it["name"] = blob([]byte(f.table))
	}
	return it
}
