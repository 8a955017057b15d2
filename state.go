package etl

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"
)

// The state machine. A view is a table's state with those records of its ledger
// that a transition may touch. Transitions are pure: they take the time as an
// argument, change the view, and leave it to the caller to store the outcome.

type view struct {
	table   Table
	state   State
	records []FileRecord
	changed map[string]bool // by file ID
	fresh   map[string]bool
	entries []Entry
	now     time.Time
	// disposes is set where the source tidies up.
	disposes func(FileStatus) bool
}

// live are the statuses of records that a transition may touch besides those
// it names. Superseded ones may come back while their full load is open.
var live = []FileStatus{Pending, Deferred, Running, Failed, Vanished, Superseded}

func newView(t Table, st State, records []FileRecord, now time.Time) *view {
	if st.Flag == "" {
		st.Flag = t.Flag
		if st.Flag == FlagPaused {
			st.ResumeTo = FlagLocal
			st.Paused = &Diagnosis{Cause: "paused by configuration"}
			st.PausedAt = now
		}
	}
	return &view{table: t, state: st, records: records, changed: map[string]bool{}, fresh: map[string]bool{}, now: now}
}

// update is what has to be stored.
func (v *view) update(fence int64) Update {
	u := Update{State: v.state, Fence: fence, Entries: v.entries}
	for _, r := range v.records {
		switch id := r.ID(); {
		case v.fresh[id]:
			u.Insert = append(u.Insert, r)
		case v.changed[id]:
			u.Put = append(u.Put, r)
		}
	}
	return u
}

func (v *view) set(r *FileRecord, s FileStatus, note string) {
	if r.Status == s && r.Note == note {
		return
	}
	r.Status, r.Note, r.Updated = s, note, v.now
	v.changed[r.ID()] = true
	v.due(r)
}

func (v *view) log(kind EntryKind, format string, args ...any) *Entry {
	v.entries = append(v.entries, Entry{
		At: v.now, Table: v.state.Table, Kind: kind, Text: fmt.Sprintf(format, args...), Epoch: v.state.Epoch,
	})
	return &v.entries[len(v.entries)-1]
}

// landed is when a file landed, in the resolution that object stores have.
func landed(t time.Time) time.Time { return t.Truncate(time.Second) }

// before reports whether a change file landed before a full load did.
func before(change, full time.Time) bool { return landed(change).Before(landed(full)) }

// register takes files that are new to the ledger.
func (v *view) register(files []FileRecord) {
	files = slices.Clone(files)
	slices.SortFunc(files, func(a, b FileRecord) int {
		return cmp.Or(a.Landed().Compare(b.Landed()), compareRecords(a, b))
	})
	for i := range files {
		f := &files[i]
		f.Table, f.Registered, f.Updated, f.Status = v.state.Table, v.now, v.now, Pending
		if f.Kind == Full {
			v.openFor(f)
		} else {
			f.Epoch = v.state.Epoch
		}
		v.fresh[f.ID()] = true
		v.records = append(v.records, *f)
	}
	v.settle()
}

// compareRecords orders files as they are applied: by order, location, and, of
// several contents of a location, by when they landed.
func compareRecords(a, b FileRecord) int {
	return cmp.Or(strings.Compare(a.Order, b.Order), strings.Compare(a.Location, b.Location),
		a.Landed().Compare(b.Landed()), strings.Compare(a.ID(), b.ID()))
}

// openFor finds or opens the full load that a full-load file belongs to.
func (v *view) openFor(f *FileRecord) {
	open := v.state.Open
	switch older := v.waiting(f.Location); {
	case older != nil && f.Landed().Before(older.Landed()):
		f.Status, f.Epoch, f.Note = Superseded, open.Epoch, "replaced by newer content of the same location"
		return
	case older != nil:
		v.set(older, Superseded, "replaced by newer content of the same location")
		open.Files--
		if v.table.Completion.quiet() {
			open.Complete = false
		}
	case open == nil || open.Complete || v.table.Completion.EachFile || v.running(open.Epoch):
		v.abort()
		open = &OpenLoad{Epoch: v.nextEpoch(), Landed: f.Landed()}
		v.state.Open = open
		v.log(EntryOpened, "full load opened by %s", printable(f.Location)).Epoch = open.Epoch
	}
	f.Epoch = open.Epoch
	open.Files++
	open.Seen = v.now
	if f.Landed().Before(open.Landed) {
		open.Landed = f.Landed()
	}
	if c := v.table.Completion; c.EachFile || c.Files > 0 && open.Files >= c.Files {
		open.Complete = true
	}
}

func (c Completion) quiet() bool { return !c.Explicit && !c.EachFile && c.Files == 0 }

func (v *view) running(epoch int64) bool {
	r := v.state.Running
	return r != nil && r.Kind == Full && r.Epoch == epoch
}

func (v *view) nextEpoch() int64 {
	n := v.state.Epoch
	if v.state.Open != nil {
		n = max(n, v.state.Open.Epoch)
	}
	if v.state.Running != nil {
		n = max(n, v.state.Running.Epoch)
	}
	return n + 1
}

// waiting returns the record of a file of the open full load that lies at the
// location and is not being worked on.
func (v *view) waiting(location string) *FileRecord {
	if v.state.Open == nil || v.table.Completion.EachFile {
		return nil
	}
	for i := range v.records {
		r := &v.records[i]
		if r.Location == location && v.ofOpen(r) && (r.Status == Pending || r.Status == Failed || r.Status == Vanished) {
			return r
		}
	}
	return nil
}

func (v *view) ofOpen(r *FileRecord) bool {
	return v.state.Open != nil && r.Kind == Full && r.Epoch == v.state.Open.Epoch
}

// abort gives up the open full load because a newer one takes its place.
func (v *view) abort() {
	if v.state.Open == nil {
		return
	}
	for i := range v.records {
		if r := &v.records[i]; v.ofOpen(r) && r.Status != Running && r.Status != Superseded {
			v.set(r, Superseded, "a newer full load was opened")
		}
	}
}

// settle gives every waiting file the status that follows from the open full
// load and the last one.
func (v *view) settle() {
	for i := range v.records {
		r := &v.records[i]
		if v.overtook(r) {
			r.InTable = true
			v.set(r, Pending, "")
		}
		waits := r.Status == Pending || r.Status == Deferred
		comesBack := r.Status == Superseded && r.Epoch > v.state.Epoch
		if r.Kind == Full && waits && !v.ofOpen(r) {
			v.set(r, Superseded, "a newer full load was opened")
		}
		if r.Kind != Incremental || !waits && !comesBack {
			continue
		}
		if v.state.Open == nil && r.InTable {
			v.back(r)
			continue
		}
		epoch, status, note := v.state.Epoch, Pending, ""
		if open := v.state.Open; open != nil {
			epoch, status = open.Epoch, Deferred
			if before(r.Landed(), open.Landed) {
				status, note = Superseded, "landed before the full load"
			}
		} else if !r.Accepted && before(r.Landed(), v.state.EpochLanded) {
			status, note = Superseded, "landed before the full load"
		}
		if r.Epoch != epoch {
			r.Epoch = epoch
			v.changed[r.ID()] = true
		}
		v.set(r, status, note)
	}
}

// overtook reports whether a change file was applied although it belongs on top
// of the full load that is open: its event came before that of the full load.
func (v *view) overtook(r *FileRecord) bool {
	return v.state.Open != nil && r.Kind == Incremental && r.Status == Applied && r.Epoch == v.state.Epoch &&
		!before(r.Landed(), v.state.Open.Landed)
}

// back makes a file of the table what it was before a full load that was given up.
func (v *view) back(r *FileRecord) {
	v.set(r, Applied, "")
	r.Epoch, r.InTable = v.state.Epoch, false
	v.changed[r.ID()] = true
}

// begin records the intent of a load.
func (v *view) begin(l Load) {
	ids := map[string]bool{}
	for _, f := range l.Files {
		ids[f.ID()] = true
	}
	for i := range v.records {
		if r := &v.records[i]; ids[r.ID()] {
			v.set(r, Running, "")
			r.LoadID, r.Epoch = l.ID, l.Epoch
			v.changed[r.ID()] = true
		}
	}
	if l.Kind == Full && v.state.Open != nil && v.state.Open.Epoch == l.Epoch {
		v.state.Open.Complete = true
	}
	if run := v.state.Running; run == nil || run.ID != l.ID {
		v.state.Begun, v.state.Staged, v.state.Evolving = 0, 0, nil
	}
	if l.Staged {
		v.state.Staging = l.Epoch
	}
	v.state.Begun++
	v.state.Running = &l
	v.state.Job = nil
}

// applied records a commit.
func (v *view) applied(l Load, receipt Receipt, took time.Duration) {
	last := ""
	for i := range v.records {
		if r := &v.records[i]; r.Status == Running && r.LoadID == l.ID {
			v.set(r, Applied, "")
		}
	}
	if n := len(l.Files); n > 0 {
		last = l.Files[n-1].Location
		v.state.LastApplied = &LastFile{Location: last, LoadID: l.ID, At: v.now}
	}
	e := v.log(EntryApplied, "%s load of %d files", l.Kind, len(l.Files))
	v.names(e, l)
	e.LastFile, e.Receipt, e.Took = last, &receipt, took
	if n := receipt.Counts.Quarantined; n > 0 {
		v.names(v.log(EntryQuarantined, "%d bad rows of %d set aside", n, receipt.Counts.Read), l)
	}
	if rec := receipt.Evolved; rec != nil {
		v.state.Evolved = rec.Columns
		for _, c := range rec.Changes {
			v.names(v.log(EntryEvolved, "%v", c), l)
		}
	}
	v.state.Pace = v.state.Pace.learnt(l, receipt, took)
	v.ended()
	if l.Staged {
		v.state.Staging = 0
	}
	if l.Kind == Full {
		v.forget()
		v.state.Epoch, v.state.EpochLanded = l.Epoch, l.Landed
		if v.state.Open != nil && v.state.Open.Epoch <= l.Epoch {
			v.state.Open = nil
		}
	}
	v.state.Watermark, v.state.WatermarkFile = l.Watermark, l.WatermarkFile
	v.settle()
}

// forget takes note that the table holds no file of before any more.
func (v *view) forget() {
	for i := range v.records {
		if r := &v.records[i]; r.InTable {
			r.InTable = false
			v.changed[r.ID()] = true
		}
	}
}

// failed records that a load cannot go through, and pauses the table.
// The entry that it returns is valid until the next one is added.
func (v *view) failed(l Load, d Diagnosis, vanished bool) *Entry {
	blamed := slices.ContainsFunc(l.Files, func(f File) bool { return f.Location == d.File })
	for i := range v.records {
		r := &v.records[i]
		if r.Status != Running || r.LoadID != l.ID {
			continue
		}
		switch {
		case blamed && r.Location != d.File:
			v.set(r, Pending, "")
		case vanished:
			v.set(r, Vanished, d.Cause)
		default:
			v.set(r, Failed, d.Cause)
		}
	}
	e := v.log(EntryFailed, "%s load of %d files: %s", l.Kind, len(l.Files), d.Cause)
	v.names(e, l)
	e.Diagnosis = &d
	v.ended()
	location := d.File
	if location == "" && len(l.Files) > 0 {
		location = l.Files[0].Location
	}
	v.state.LastFailed = &LastFile{Location: location, LoadID: l.ID, At: v.now}
	at := len(v.entries) - 1
	v.settle()
	v.pause(d)
	return &v.entries[at]
}

// abandon gives up the running load: its files wait again.
func (v *view) abandon() {
	for i := range v.records {
		if r := &v.records[i]; r.Status == Running {
			v.set(r, Pending, "")
		}
	}
	v.ended()
	v.settle()
}

func (v *view) pause(d Diagnosis) {
	if v.state.Flag != FlagPaused {
		v.state.ResumeTo = v.state.Flag
		v.state.PausedAt = v.now
	}
	v.state.Flag, v.state.Paused = FlagPaused, &d
}

func (v *view) resume() {
	if v.state.Flag == FlagPaused {
		v.state.Flag = cmp.Or(v.state.ResumeTo, FlagLocal)
	}
	v.state.ResumeTo, v.state.Paused, v.state.PausedAt = "", nil, time.Time{}
}
