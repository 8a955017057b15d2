package awsetl

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"

	"github.com/tidemark-data/etl"
)

// call is one invocation. Its steps follow each other; only what they do inside
// is concurrent.
type call struct {
	*Handler
	doc    document
	items  []item
	answer Answer

	tooShort bool // the function's time does not do for a load

	listed bool            // the listing has been registered
	wants  map[string]int  // tables to drain, with the wake-ups in a row behind them
	soon   map[string]bool // tables to be drained by the next invocation
	left   map[string]left // tables that were drained and are not done
}

// item is a document with what becomes of it: the event itself, or a message of a batch.
type item struct {
	message
	files  []etl.File
	tables []string // to be drained, or drained
	failed error    // of an operator's verb
	passed bool     // its token went on with a wake-up
}

func (h *Handler) newCall(doc document) *call {
	c := &call{Handler: h, doc: doc, wants: map[string]int{}, soon: map[string]bool{}, left: map[string]left{}}
	if !doc.queue {
		c.items = []item{{message: message{doc: doc}}}
		return c
	}
	c.items = make([]item, len(doc.batch))
	for i, m := range doc.batch {
		if m.err != nil {
			h.log.Error("message not understood", "message", clip(m.id), "error", m.err)
			if h.parts.DropMalformed {
				m.err, m.doc = nil, document{}
			}
		}
		c.items[i].message = m
	}
	return c
}

// live yields the items that can go on: those that have not failed, and in a
// FIFO queue have none before them in their group that has.
func (c *call) live(yield func(*item) bool) {
	blocked := map[string]bool{}
	for i := range c.items {
		it := &c.items[i]
		if it.err == nil && !blocked[it.group] && !yield(it) {
			return
		}
		if it.err != nil && c.doc.fifo {
			blocked[it.group] = true
		}
	}
}

// record puts into the ledger what the events tell. An item that fails in it is
// to come again; with the others the ledger holds the work from here on.
func (c *call) record(ctx context.Context) {
	c.findAll(ctx)
	c.register(ctx)
	for it := range c.live {
		for _, e := range it.doc.events {
			if err := c.act(ctx, it, e); err != nil {
				it.err = err
				c.log.Error("event not recorded", "message", clip(it.id), "error", err)
				break
			}
		}
	}
}

const findAtOnce = 16

// findAll looks for the files that events name.
func (c *call) findAll(ctx context.Context) {
	var g errgroup.Group
	g.SetLimit(findAtOnce)
	for _, it := range slices.Collect(c.live) {
		g.Go(func() error { // the error is the item's
			it.files, it.err = c.find(ctx, it.doc.events)
			return nil
		})
	}
	_ = g.Wait()
	for i := range c.items {
		for _, f := range c.items[i].files {
			for _, rec := range c.cfg.Records(f) {
				if rec.Table != "" {
					c.items[i].tables = append(c.items[i].tables, rec.Table)
				}
			}
		}
	}
}

func (c *call) find(ctx context.Context, list []event) (files []etl.File, err error) {
	var objects []object
	for _, e := range list {
		if o, ok := e.(object); ok {
			objects = append(objects, o)
		}
	}
	for _, o := range newest(objects) {
		location, ok := c.parts.Landing.Location(o.key)
		switch {
		case c.parts.Bucket != "" && o.bucket != c.parts.Bucket:
			c.warnForeign(o.bucket)
			continue
		case !ok || o.removed:
			continue
		}
		f, err := c.parts.Landing.Find(ctx, location)
		switch {
		case errors.Is(err, etl.ErrFileVanished):
			c.log.Info("file vanished before it was registered", "file", clip(location))
		case err != nil:
			return nil, fmt.Errorf("look for a landed file: %w", err)
		case f.Size == 0 && (strings.HasSuffix(location, "/") || strings.HasSuffix(location, "_$folder$")):
			// what consoles and Hadoop make for a folder
		default:
			files = append(files, f)
		}
	}
	return files, nil
}

// register registers the files of all items at once: a full load without another
// sign of its end has the files that come together. If that fails, each item
// shows by itself whether it is the one.
func (c *call) register(ctx context.Context) {
	var files []etl.File
	var with []*item
	for it := range c.live {
		if len(it.files) > 0 {
			files, with = append(files, it.files...), append(with, it)
		}
	}
	if len(files) == 0 {
		return
	}
	n, err := c.runner.Register(ctx, files...)
	c.answer.Registered += n
	switch {
	case err == nil:
	case len(with) == 1:
		with[0].err = err
	default:
		for it := range c.live {
			if len(it.files) > 0 {
				n, it.err = c.runner.Register(ctx, it.files...)
				c.answer.Registered += n
			}
		}
	}
	for _, it := range with {
		if it.err != nil {
			c.log.Error("files not registered", "message", clip(it.id), "error", it.err)
			continue
		}
		for _, table := range it.tables {
			c.want(table, 0)
		}
	}
}

// want says that a table is to be drained.
func (c *call) want(table string, hops int) {
	if had, ok := c.wants[table]; ok {
		hops = min(hops, had)
	}
	c.wants[table] = hops
}

func (c *call) wantAll(it *item) {
	for _, t := range c.cfg.Tables {
		c.want(t.Name, 0)
		it.tables = append(it.tables, t.Name)
	}
}

// list registers what the source lists.
func (c *call) list(ctx context.Context) error {
	if c.listed {
		return nil
	}
	var files []etl.File
	for f, err := range c.cfg.Source.List(ctx) {
		if err != nil {
			return fmt.Errorf("list source: %w", err)
		}
		files = append(files, f)
	}
	n, err := c.runner.Register(ctx, files...)
	c.answer.Listed, c.answer.Registered = len(files), c.answer.Registered+n
	c.listed = err == nil
	return err
}

func (h *Handler) hasTable(name string) bool {
	return slices.ContainsFunc(h.cfg.Tables, func(t etl.Table) bool { return t.Name == name })
}

// clip returns s as it can stand in a log line.
func clip(s string) string {
	if len(s) > 1024 {
		s = s[:1024]
	}
	return strings.ToValidUTF8(s, "?")
}
