package etl

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// rehearsal lets verbs happen on copies of a view.
type rehearsal struct {
	*view
	plan func(*view) Decision
}

// advice is what each verb would do, the most helpful first.
func (r rehearsal) advice() []Advice {
	do := map[string]func() Advice{
		"resume": func() Advice { return r.try("resume", (*view).resumeAll) },
		"retry":  func() Advice { return r.try("retry", (*view).retry) },
		"skip":   func() Advice { return r.tryLeased("skip", func(v *view) error { return v.skip(nil) }) },
		"reload": func() Advice {
			return r.tryLeased("reload", func(v *view) error { return v.reload(nil) })
		},
		"complete": func() Advice { return r.try("complete", (*view).complete) },
		"cancel":   r.cancel,
	}
	var out, idle, not []Advice
	for _, verb := range r.order() {
		switch a := do[verb](); {
		case !a.Possible:
			not = append(not, a)
		case strings.HasPrefix(a.Effect, changesNothing):
			idle = append(idle, a)
		default:
			out = append(out, a)
		}
	}
	return slices.Concat(out, r.flags(), idle, not)
}

const changesNothing = "changes nothing"

// order names the verbs by what went wrong: what loses nothing comes first, but
// where it would only fail again.
func (r rehearsal) order() []string {
	rest := []string{"complete", "cancel"}
	d := r.state.Paused
	switch {
	case d == nil && r.state.Job != nil:
		return []string{"cancel", "complete", "resume", "retry", "skip", "reload"}
	case d == nil:
		return []string{"complete", "cancel", "resume", "retry", "skip", "reload"}
	case !r.has(Failed) && !r.has(Vanished): // by an operator, or after the load
		return append([]string{"resume", "retry", "skip", "reload"}, rest...)
	case r.replaced():
		return append([]string{"skip", "retry", "resume", "reload"}, rest...)
	case strings.Contains(d.Cause, ErrAccounting.Error()):
		return append([]string{"retry", "reload", "resume", "skip"}, rest...)
	}
	return append([]string{"retry", "skip", "resume", "reload"}, rest...)
}

func (r rehearsal) has(s FileStatus) bool {
	return slices.ContainsFunc(r.records, func(rec FileRecord) bool { return rec.Status == s })
}

// replaced reports whether newer content waits at the place of each failed file.
func (r rehearsal) replaced() bool {
	waits := map[string]bool{}
	for _, rec := range r.records {
		if rec.Status == Pending || rec.Status == Deferred {
			waits[rec.Location] = true
		}
	}
	return !slices.ContainsFunc(r.records, func(rec FileRecord) bool {
		return (rec.Status == Failed || rec.Status == Vanished) && !waits[rec.Location]
	})
}

// try lets a verb happen and tells what came of it.
func (r rehearsal) try(verb string, fn func(*view) error) Advice {
	v := r.copy()
	if err := fn(v); err != nil {
		return Advice{Verb: verb, Effect: "not possible: " + impossible(verb, err)}
	}
	a := Advice{Verb: verb, Possible: true, Next: r.plan(v)}
	parts := r.moved(v, verb)
	if r.state.Flag == FlagPaused && v.state.Flag != FlagPaused {
		parts = append(parts, "flag "+string(v.state.Flag)+" again")
	}
	if open := v.state.Open; verb == "complete" && !r.state.Open.Complete {
		parts = append(parts, fmt.Sprintf("full load %d has all its %s", open.Epoch, plural(open.Files, "file", "files")))
	}
	if len(parts) == 0 {
		parts = append(parts, changesNothing)
	}
	a.Effect = strings.Join(parts, "; ") + "; " + then(a.Next)
	return a
}

// tryLeased is try for verbs that first settle a load that was begun.
func (r rehearsal) tryLeased(verb string, fn func(*view) error) Advice {
	if r.state.Running == nil {
		return r.try(verb, fn)
	}
	a := r.try(verb, func(v *view) error {
		v.abandon()
		return fn(v)
	})
	if a.Possible {
		a.Effect = "gives up the load that was begun, unless the table has it by now; " + a.Effect
	}
	return a
}

func impossible(verb string, err error) string {
	if !errors.Is(err, ErrNotFound) {
		return err.Error()
	}
	return map[string]string{
		"retry": "no file failed or vanished", "skip": "no file failed or vanished; name the files to skip",
		"reload": "no full load that the table holds is in the ledger; name the files to load", "complete": "no full load is open",
	}[verb]
}

func (r rehearsal) cancel() Advice {
	a := Advice{Verb: "cancel"}
	if r.state.Job == nil || r.state.Running == nil {
		a.Effect = "not possible: no job works on the table"
		return a
	}
	v := r.copy()
	job := r.state.Job.ID
	v.jobCanceled()
	a.Possible, a.Next = true, r.plan(v)
	a.Effect = fmt.Sprintf("asks the engine to end job %s; unless the load is in the table by then, its %s and the table pauses",
		printable(job), waitAgain(len(r.state.Running.Files)))
	return a
}

// flags are the flags that could be set.
func (r rehearsal) flags() []Advice {
	now := r.state.Flag
	if now == FlagPaused {
		now = r.state.ResumeTo
	}
	var out []Advice
	for _, f := range []JobFlag{FlagLocal, FlagDistributed, FlagAuto} {
		if f == now {
			continue
		}
		a := r.try("flag", func(v *view) error { return v.setFlag(f) })
		a.Flag = f
		if r.state.Flag == FlagPaused {
			v := r.copy()
			_, _ = v.setFlag(f), v.resumeAll()
			a.Effect = fmt.Sprintf("stays paused, and goes on with %s instead of %s once resumed; %s", f, now, then(r.plan(v)))
		} else {
			a.Effect = fmt.Sprintf("goes on with %s instead of %s; %s", f, now, then(a.Next))
		}
		out = append(out, a)
	}
	return out
}

// moved tells what became of files.
func (r rehearsal) moved(v *view, verb string) []string {
	type move struct{ from, to FileStatus }
	counts, one := map[move]int{}, map[move]string{}
	for i, rec := range v.records {
		if was := r.records[i].Status; was != rec.Status {
			m := move{was, rec.Status}
			counts[m]++
			one[m] = rec.Location
		}
	}
	var parts []string
	tell := func(to FileStatus, one1, more string, from ...FileStatus) {
		n, location := 0, ""
		for _, f := range from {
			if c := counts[move{f, to}]; c > 0 {
				n, location = n+c, one[move{f, to}]
			}
		}
		switch {
		case n == 1 && strings.Contains(one1, "%s"):
			parts = append(parts, fmt.Sprintf(one1, printable(location)))
		case n == 1:
			parts = append(parts, one1)
		case n > 1:
			parts = append(parts, fmt.Sprintf(more, n))
		}
	}
	tell(Skipped, "passes over %s for good", "passes over %d files for good", Failed, Vanished, Pending, Deferred)
	tell(Pending, "1 file waits again (%s)", "%d files wait again", Failed, Vanished, Running)
	tell(Pending, "1 applied file is applied again (%s)", "%d applied files are applied again", Applied)
	tell(Pending, "1 deferred file goes on (%s)", "%d deferred files go on", Deferred)
	tell(Pending, "1 superseded file waits again (%s)", "%d superseded files wait again", Superseded)
	tell(Deferred, "1 file waits for the full load (%s)", "%d files wait for the full load", Pending, Failed, Vanished, Applied, Superseded)
	tell(Superseded, "1 file is superseded (%s)", "%d files are superseded", Pending, Deferred, Failed, Vanished)
	tell(Applied, "1 file counts as applied (%s)", "%d files count as applied", Pending, Deferred, Superseded)
	switch n := len(v.planned()); {
	case verb == "skip" && n > 0 && counts[move{Deferred, Pending}] == 0:
		parts = append(parts, fmt.Sprintf("%s on", plural(n, "later file goes", "later files go")))
	case (verb == "retry" || verb == "resume") && len(parts) > 0:
		parts = append(parts, r.hint()...)
	}
	return parts
}

// hint says when it helps to do the same again.
func (r rehearsal) hint() []string {
	d := r.state.Paused
	switch {
	case d == nil:
		return nil
	case d.Rule == "late":
		return []string{"applied although it comes late"}
	case r.has(Vanished):
		return []string{"fails again unless the file is back"}
	case r.replaced():
		return []string{"fails again before the newer content of its place comes"}
	case d.Row > 0:
		return []string{"fails again unless the table's declaration was mended"}
	}
	return nil
}

func plural(n int, one, more string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, more)
}

func waitAgain(n int) string { return plural(n, "file waits again", "files wait again") }

// then says in a line what a decision means.
func then(d Decision) string {
	switch {
	case d.Load != nil && d.Job != nil:
		return "goes on: " + d.Reason
	case d.Load != nil:
		text := "next load: " + describeLoad(*d.Load)
		if d.Again {
			text += ", taken up again"
		}
		return text
	case len(d.Late) > 0:
		return "then: " + d.Reason
	case d.Wait > 0:
		return fmt.Sprintf("then waits %s: %s", d.Wait.Round(time.Second), d.Reason)
	}
	return "then: " + d.Reason
}

// describeLoad reads "3 change files, 12 MB, on L".
func describeLoad(l Load) string {
	var bytes int64
	for _, f := range l.Files {
		bytes += max(f.Size, 0)
	}
	what := plural(len(l.Files), "change file", "change files")
	if l.Kind == Full {
		what = "full load of " + plural(len(l.Files), "file", "files")
	}
	engine := l.Engine
	if engine == "" {
		engine = FlagLocal
	}
	text := fmt.Sprintf("%s, %s, on %s", what, bytesText(float64(bytes)), engine)
	switch {
	case l.Difference:
		text += ", as a difference"
	case l.Staged:
		text += ", staged"
	}
	return text
}
