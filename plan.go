package etl

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Decision is what comes next for a table: a load, or nothing and the reason.
type Decision struct {
	// Load is the next load; nil if there is nothing to do now.
	Load *Load `json:"load,omitempty"`
	// Again is set where Load was begun before and is taken up again.
	Again bool `json:"again,omitempty"`
	// Job is set where Load was handed to another engine, or is about to be.
	Job *JobState `json:"job,omitempty"`
	// Reason says why Load is what it is, or why there is none.
	Reason string `json:"reason"`
	// Wait is how long until time alone may change the decision; zero if it
	// will not.
	Wait time.Duration `json:"wait,omitempty"`
	// Late are change files that come too late to be placed in the order. They
	// are paused for or set aside, as the table's policy says, before anything
	// else happens.
	Late []FileRecord `json:"late,omitempty"`
	// Evolves are the changes of the table's columns that the files of Load ask for,
	// Breach is why the table's contract does not let the load pass. [Runner.Plan]
	// tells them.
	Evolves []SchemaChange `json:"evolves,omitempty"`
	Breach  *Diagnosis     `json:"breach,omitempty"`
}

// plan decides what comes next. It is a pure function of the table's
// declaration, its state, the files that wait (in the order of compareRecords)
// and the time.
func plan(t Table, st State, waiting []FileRecord, now time.Time) Decision {
	switch {
	case st.Running != nil && st.Job != nil && (st.Flag != FlagPaused || st.Job.asked()):
		l, job := *st.Running, *st.Job
		return Decision{Load: &l, Again: true, Job: &job, Reason: job.describe()}
	case st.Flag == FlagPaused && st.Paused != nil:
		return Decision{Reason: "paused: " + st.Paused.Cause}
	case st.Flag == FlagPaused:
		return Decision{Reason: "paused"}
	case st.Running != nil:
		l := *st.Running
		return Decision{Load: &l, Again: true, Reason: "a load was begun and not finished"}
	case st.Open != nil:
		return planFull(t, st, waiting, now)
	default:
		return planIncremental(t, st, waiting, now)
	}
}

func planFull(t Table, st State, waiting []FileRecord, now time.Time) Decision {
	open := st.Open
	if done, why, wait := collected(t.Completion, open, now); !done {
		return Decision{Reason: fmt.Sprintf("full load %d is open with %d files: %s", open.Epoch, open.Files, why), Wait: wait}
	}
	var files []FileRecord
	for _, r := range waiting {
		if r.Kind == Full && r.Status == Pending && r.Epoch == open.Epoch {
			files = append(files, r)
		}
	}
	if len(files) == 0 {
		return Decision{Reason: fmt.Sprintf("full load %d has no files left", open.Epoch)}
	}
	l := newLoad(t.Name, Full, open.Epoch, files)
	l.Landed = open.Landed
	if t.FullLoads == FullDifference {
		l.Difference = true
		l.ID = loadID(l)
	}
	reason := fmt.Sprintf("full load of %d files opens epoch %d", len(files), open.Epoch)
	if l.Staged = t.stages(l.Files); l.Staged {
		reason += ", staged file by file"
	}
	return Decision{Load: &l, Reason: reason}
}

// collected reports whether an open full load has all its files.
func collected(c Completion, open *OpenLoad, now time.Time) (done bool, why string, wait time.Duration) {
	switch {
	case open.Complete:
		return true, "", 0
	case c.Explicit:
		return false, "waits to be completed by a call", 0
	case c.EachFile:
		return true, "", 0
	case c.Files > 0:
		return open.Files >= c.Files, fmt.Sprintf("%d expected", c.Files), 0
	}
	wait = open.Seen.Add(c.Quiet).Sub(now)
	return wait <= 0, "waits for a quiet period", max(wait, 0)
}

func planIncremental(t Table, st State, waiting []FileRecord, now time.Time) Decision {
	var files []FileRecord
	var late []FileRecord
	var bytes int64
	var wait time.Duration
	limit := ""
	slices.SortStableFunc(waiting, compareRecords)
	for _, r := range waiting {
		if r.Kind != Incremental || r.Status != Pending && r.Status != Deferred {
			continue
		}
		if left := r.Registered.Add(t.Settle).Sub(now); t.Settle > 0 && left > 0 {
			wait = left
			break
		}
		if len(files) == t.MaxBatchFiles || len(files) > 0 && bytes+r.Size > t.MaxBatchBytes {
			limit = ", up to the batch limit"
			break
		}
		if n := len(files); n > 0 && files[n-1].Location == r.Location {
			limit = ", up to newer content of the same location" // each fails by itself
			break
		}
		if isLate(t, st, r) {
			late = append(late, r)
			if t.Late == LatePause {
				break
			}
			continue
		}
		files = append(files, r)
		bytes += r.Size
	}
	switch {
	case len(late) > 0:
		return Decision{Reason: lateReason(t, st, late[0]), Late: late}
	case len(files) > 0:
		l := newLoad(t.Name, Incremental, st.Epoch, files)
		l.Landed = st.EpochLanded
		last := files[len(files)-1]
		l.Watermark, l.WatermarkFile = st.Watermark, st.WatermarkFile
		if comparePosition(last.Order, last.Location, st.Watermark, st.WatermarkFile) > 0 {
			l.Watermark, l.WatermarkFile = last.Order, last.Location
		}
		return Decision{Load: &l, Reason: fmt.Sprintf("%d change files, %d bytes%s", len(files), bytes, limit)}
	case wait > 0:
		return Decision{Reason: "change files settle", Wait: wait}
	}
	return Decision{Reason: "nothing is pending"}
}

// isLate reports whether a change file lies below the last applied one and no
// ordering columns tell where its rows belong.
func isLate(t Table, st State, r FileRecord) bool {
	return len(t.OrderBy) == 0 && t.Late != LateApply && !r.Accepted && st.WatermarkFile != "" &&
		comparePosition(r.Order, r.Location, st.Watermark, st.WatermarkFile) < 0
}

func lateReason(t Table, st State, r FileRecord) string {
	return fmt.Sprintf("%s comes late: %s was applied before it, and without ordering columns its place is not known (late: %s)",
		printable(r.Location), printable(st.WatermarkFile), t.Late)
}

func comparePosition(orderA, locationA, orderB, locationB string) int {
	if c := strings.Compare(orderA, orderB); c != 0 {
		return c
	}
	return strings.Compare(locationA, locationB)
}

func newLoad(table string, kind LoadKind, epoch int64, files []FileRecord) Load {
	l := Load{Table: table, Kind: kind, Epoch: epoch}
	for _, r := range files {
		l.Files = append(l.Files, r.File)
	}
	l.ID = loadID(l)
	return l
}

// loadID derives the identity of a load: 32 hexadecimal digits.
func loadID(l Load) string {
	h := sha256.New()
	fmt.Fprintf(h, "%s\n%d\n%s\n", l.Table, l.Epoch, l.Kind)
	if l.Difference {
		fmt.Fprintln(h, "difference")
	}
	for _, f := range l.Files {
		fmt.Fprintln(h, f.ID())
	}
	return hex.EncodeToString(h.Sum(nil)[:16])
}

// sortRecords puts files in the order in which they are applied.
func sortRecords(rs []FileRecord) { slices.SortFunc(rs, compareRecords) }
