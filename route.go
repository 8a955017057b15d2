package etl

import (
	"fmt"
	"time"
)

// conditions are what an estimate goes by besides table, load and pace.
type conditions struct {
	// dispatcher is set where there is another engine.
	dispatcher bool
	// local says why auto keeps the table in this process; empty for others.
	local string
	// budget is the memory for the changes of loads, in bytes.
	budget int64
	// bounded is set where left is what is left of the time.
	bounded bool
	left    time.Duration
	// limit is how long a load may take where the time is not bounded.
	limit time.Duration
}

// local says why other engines cannot run the table; empty if they can.
func (t Table) local() string {
	name := t.goOnlyCheck()
	switch {
	case name != "":
		return "a table whose check " + printable(name) + " runs in Go only"
	case t.Mode != ModeHistory:
		return ""
	case t.BadRows != (ErrorBudget{}):
		return "a history table whose bad rows are set aside"
	case t.evolves():
		return "a history table with a contract"
	}
	return ""
}

const (
	// What is assumed of a table without history: slow parsing, short rows.
	assumedBytesPerSecond = 8_000_000
	assumedBytesPerRow    = 100
	// keyBytes is about what the first pass keeps of a row in memory.
	keyBytes = 96
	// spillLimit is how many times the memory budget the keys of a load may take,
	// in temporary files, before another engine is the better place.
	spillLimit = 32
	// reserve is what an estimate is multiplied with before it is compared.
	reserve = 1.25
)

// route chooses the engine of a load of a table under flag auto, and says why in
// figures. It is a pure function.
func route(l Load, p *Pace, c conditions) (JobFlag, string) {
	switch {
	case !c.dispatcher:
		return FlagLocal, "no other engine is configured: L"
	case c.local != "":
		return FlagLocal, c.local + " stays in this process: L"
	case l.Staged:
		return FlagLocal, "staged file by file, which goes on after any deadline: L"
	}
	e := estimated(l, p)
	if float64(c.budget)*spillLimit < e.memory {
		return FlagDistributed, fmt.Sprintf("%s have about %s of keys, more than %d times the memory budget of %s: G",
			bytesText(e.bytes), bytesText(e.memory), spillLimit, bytesText(float64(c.budget)))
	}
	left, of := c.limit.Seconds(), fmt.Sprintf("and may take %.0f s", c.limit.Seconds())
	if c.bounded {
		left = max(c.left.Seconds(), 0)
		of = fmt.Sprintf("of the %.0f s left", left)
	}
	text := fmt.Sprintf("%s at %s%s/s needs %.0f s %s", bytesText(e.bytes), e.assumed, bytesText(e.pace), e.seconds, of)
	if e.seconds*reserve > left {
		return FlagDistributed, text + ", too long: G"
	}
	return FlagLocal, text + ", fits: L"
}

// estimate is what a load is expected to take in this process.
type estimate struct {
	bytes, rows, memory, pace, seconds float64
	assumed                            string // "an assumed " where there is no history
}

func estimated(l Load, p *Pace) estimate {
	e := estimate{pace: assumedBytesPerSecond, assumed: "an assumed "}
	perRow := float64(assumedBytesPerRow)
	if p != nil && p.BytesPerSecond > 0 {
		e.pace, e.assumed = float64(p.BytesPerSecond), ""
	}
	if p != nil && p.BytesPerRow > 0 {
		perRow = float64(p.BytesPerRow)
	}
	for _, f := range l.Files {
		e.bytes += float64(max(f.Size, 0))
	}
	e.rows = e.bytes / perRow
	e.memory = e.rows * keyBytes
	e.seconds = e.bytes / e.pace
	return e
}

// routed completes a decision by the engine that takes its load.
func routed(st State, d Decision, c conditions) Decision {
	if d.Load == nil || d.Job != nil {
		return d
	}
	l := *d.Load
	switch {
	case st.Flag == FlagDistributed && !c.dispatcher:
		return Decision{Reason: "flag G: no dispatcher to a distributed engine is configured"}
	case st.Flag != FlagLocal && st.Erasures.concerns(l.Files):
		l.Engine, l.Route = FlagLocal, "keys were erased that the files may hold, which only this process keeps out: L"
	case st.Flag == FlagDistributed:
		l.Engine, l.Route = FlagDistributed, "flag G"
	case st.Flag == FlagAuto && d.Again && l.Engine == FlagDistributed && c.dispatcher: // handed over, or submitted before
	case st.Flag == FlagAuto:
		l.Engine, l.Route = route(l, st.Pace, c)
	default:
		l.Engine, l.Route = FlagLocal, "flag L"
	}
	if l.Engine == FlagDistributed {
		l.Staged = false
	}
	d.Load = &l
	return d
}

// learnt returns the pace with one more load of this process in it.
func (p *Pace) learnt(l Load, receipt Receipt, took time.Duration) *Pace {
	var size int64
	for _, f := range l.Files {
		size += max(f.Size, 0)
	}
	if l.Engine == FlagDistributed || l.Staged || receipt.Found || took <= 0 || size == 0 || receipt.Counts.Read <= 0 {
		return p
	}
	perSecond := int64(min(float64(size)/took.Seconds(), 1e15))
	perRow := max(size/receipt.Counts.Read, 1)
	if p == nil {
		return &Pace{max(perSecond, 1), perRow, 1}
	}
	return &Pace{max(p.BytesPerSecond/4*3+perSecond/4, 1), max((3*p.BytesPerRow+perRow)/4, 1), p.Loads + 1}
}

// bytesText is a number of bytes with three digits or so.
func bytesText(n float64) string {
	unit := 0
	for n >= 1000 && unit < 6 {
		n /= 1000
		unit++
	}
	name := [...]string{"B", "kB", "MB", "GB", "TB", "PB", "EB"}[unit]
	if n < 10 && unit > 0 {
		return fmt.Sprintf("%.1f %s", n, name)
	}
	return fmt.Sprintf("%.0f %s", n, name)
}
