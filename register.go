package etl

import (
	"context"
	"slices"
)

// Register puts files into the ledger: those of configured tables as waiting,
// others as set aside. Files that are registered already change nothing, so
// events may come twice and in any order. It returns the number of files that
// were new; one that feeds several tables counts once for each.
func (r *Runner) Register(ctx context.Context, files ...File) (int, error) {
	n, _, err := r.register(ctx, files)
	return n, err
}

func (r *Runner) register(ctx context.Context, files []File) (registered, aside int, err error) {
	byTable := map[string][]FileRecord{}
	seen := map[string]bool{}
	for _, f := range files {
		id := f.Object().ID()
		if seen[id] {
			continue
		}
		seen[id] = true
		for _, rec := range r.cfg.Records(f) {
			byTable[rec.Table] = append(byTable[rec.Table], rec)
		}
	}
	if n := byTable[""]; len(n) > 0 {
		if aside, err = r.setAside(ctx, n); err != nil {
			return aside, aside, err
		}
		registered += aside
	}
	for _, t := range r.cfg.Tables {
		if recs := byTable[t.Name]; len(recs) > 0 {
			n, err := r.registerTable(ctx, r.tables[t.Name], recs)
			registered += n
			if err != nil {
				return registered, aside, err
			}
		}
	}
	return registered, aside, nil
}

// Records returns the records that [Runner.Register] makes of an object, as far as
// Layout and Tables tell: one for each table that it feeds. What the layout does not
// know, or places in a table that is not configured, gets one without a table.
func (c Config) Records(f File) []FileRecord {
	f = f.Object()
	p, ok := c.Layout.Place(f.Location)
	if !ok || p.Kind != Full && p.Kind != Incremental {
		return []FileRecord{{File: f, Note: "no rule of the layout recognises the location"}}
	}
	note := "table " + printable(p.Table) + " is not configured"
	switch {
	case p.Mixed && p.Kind == Full:
		return []FileRecord{{File: f, Note: "a full load is one table's"}}
	case p.Mixed:
		note = "no configured table reads files of several tables"
	}
	var out []FileRecord
	for i := range c.Tables {
		t := &c.Tables[i]
		switch {
		case p.Mixed && c.mixed(t):
			f.Part = t.Name
		case p.Mixed || t.Name != p.Table:
			continue
		}
		out = append(out, FileRecord{File: f, Table: t.Name, Kind: p.Kind, Order: p.Order})
	}
	if out == nil {
		return []FileRecord{{File: f, Note: note}}
	}
	return out
}

// mixed reports whether a table takes its rows from files of several tables.
func (c Config) mixed(t *Table) bool {
	format := t.Format
	if format == nil {
		format = c.Format
	}
	m, ok := format.(MixedFormat)
	return ok && m.Mixed()
}

func (r *Runner) setAside(ctx context.Context, recs []FileRecord) (int, error) {
	var fresh []FileRecord
	_, err := r.transition(ctx, &Table{}, 0, FileQuery{}, func(v *view) error {
		known, err := r.files(ctx, "", FileQuery{IDs: recordIDs(recs), AnyTable: true})
		if err != nil {
			return err
		}
		if fresh = unknown(recs, known); len(fresh) == 0 {
			return errDone
		}
		for _, rec := range fresh {
			rec.Status, rec.Registered, rec.Updated = SetAside, v.now, v.now
			v.fresh[rec.ID()] = true
			v.records = append(v.records, rec)
		}
		v.log(EntrySetAside, "%d files set aside", len(fresh)).Files = len(fresh)
		return nil
	})
	if err != nil {
		return 0, err
	}
	for _, rec := range fresh {
		rec.Status = SetAside
		r.registered(&Table{}, rec)
	}
	return len(fresh), nil
}

func (r *Runner) registerTable(ctx context.Context, t *Table, recs []FileRecord) (int, error) {
	hasFull := slices.ContainsFunc(recs, func(rec FileRecord) bool { return rec.Kind == Full })
	var fresh []FileRecord
	var added []FileRecord
	_, err := r.transition(ctx, t, 0, FileQuery{}, func(v *view) error {
		known, err := r.files(ctx, t.Name, FileQuery{IDs: append(recordIDs(recs), objectIDs(recs)...), AnyTable: true})
		if err != nil {
			return err
		}
		var aside []FileRecord // without a table until now
		known = slices.DeleteFunc(known, func(rec FileRecord) bool {
			if rec.Table == "" {
				aside = append(aside, rec)
			}
			return rec.Table == ""
		})
		if fresh = unknown(recs, known); len(fresh) == 0 {
			return errDone
		}
		if hasFull || v.state.Open != nil {
			touched := live
			if hasFull { // changes may have overtaken it
				touched = append([]FileStatus{Applied}, live...)
			}
			if v.records, err = r.files(ctx, t.Name, FileQuery{Statuses: touched}); err != nil {
				return err
			}
		}
		n := len(v.records)
		v.register(fresh)
		for _, rec := range aside { // known as set aside: the record moves
			delete(v.fresh, rec.ID())
			v.changed[rec.ID()] = true
		}
		added = slices.Clone(v.records[n:])
		v.taken(fresh, aside)
		return nil
	})
	if err != nil {
		return 0, err
	}
	if len(fresh) == 0 {
		return 0, nil
	}
	for _, rec := range added {
		r.registered(t, rec)
	}
	return len(added), nil
}

func (r *Runner) registered(t *Table, rec FileRecord) {
	if f := r.cfg.Observer.Registered; f != nil {
		_ = r.tell(t, "Registered", func() { f(rec) }) // the file is in the ledger all the same
	}
	r.cfg.Logger.Debug("registered", "table", rec.Table, "file", rec.Location, "kind", rec.Kind.String(), "status", string(rec.Status))
}

// taken ends the waiting of objects that were set aside whole and are now taken in
// parts.
func (v *view) taken(parts, aside []FileRecord) {
	whole := objectIDs(parts)
	for _, rec := range aside {
		if id := rec.ID(); rec.Part == "" && slices.Contains(whole, id) {
			rec.Table, rec.Epoch = v.state.Table, v.state.Epoch
			v.set(&rec, Superseded, "several tables take their rows from it")
			v.records = append(v.records, rec)
		}
	}
}

// objectIDs are the IDs of the objects of which files are a part.
func objectIDs(recs []FileRecord) (ids []string) {
	for i := range recs {
		if recs[i].Part != "" {
			ids = append(ids, recs[i].Object().ID())
		}
	}
	return ids
}

func recordIDs(recs []FileRecord) []string {
	ids := make([]string, len(recs))
	for i := range recs {
		ids[i] = recs[i].ID()
	}
	return ids
}

func unknown(recs, known []FileRecord) []FileRecord {
	have := map[string]bool{}
	for i := range known {
		have[known[i].ID()] = true
	}
	var out []FileRecord
	for _, rec := range recs {
		if !have[rec.ID()] {
			out = append(out, rec)
		}
	}
	return out
}
