package etltest

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"time"

	etl "github.com/tidemark-data/etl"
)

// story writes a history; it follows the models to know what makes sense next.
type story struct {
	*rand.Rand
	h      *History
	m      *Models
	rows   rowMaker
	now    time.Time // the store's clock
	source time.Time // the producer's clock, which names change files
	unseen []string  // landed, not yet noticed
}

// NewHistory returns the history of a seed, as long as given in steps or a
// little longer. Layout must place "shop/orders/LOAD0000000A.csv" and
// "shop/orders/20240220-110825123.csv" as AWS DMS means them.
func NewHistory(seed int64, steps int, layout etl.Layout) *History {
	return NewModeHistory("", seed, steps, layout)
}

// NewModeHistory is [NewHistory] for a table of a mode.
func NewModeHistory(mode etl.Mode, seed int64, steps int, layout etl.Layout) *History {
	r := rand.New(rand.NewPCG(uint64(seed), 0x7464))
	h := &History{Seed: seed, Table: etl.Table{Mode: mode}}
	s := &story{Rand: r, h: h, now: time.Date(2024, 2, 20, 11, 0, 0, 0, time.UTC)}
	s.source = s.now
	s.rows = newRowMaker(r, h)
	s.m = h.Models(layout)
	if s.IntN(10) > 0 {
		s.fullLoad()
	}
	for len(h.Steps) < steps {
		s.next()
	}
	s.end()
	return h
}

func (s *story) add(step Step) {
	quiet := step.Kind == StepLand || step.Kind == StepVanish || step.Kind == StepRestart
	if !quiet && s.IntN(5) == 0 {
		step.FaultAt, step.Crash = 1+s.IntN(1<<(2+s.IntN(6))), s.IntN(3) > 0
	}
	s.h.Steps = append(s.h.Steps, step)
	s.m.Step(step)
}

func (s *story) next() {
	switch n := s.IntN(100); {
	case s.m.Ledger.Paused() && n < 40:
		s.repair()
	case n < 55:
		s.changes()
	case n < 68:
		s.fullLoad()
	case n < 76:
		s.add(Step{Kind: StepRestart})
	case n < 80:
		s.add(Step{Kind: StepPause})
	case n < 82:
		s.add(Step{Kind: StepReload})
	case n < 84 && len(s.m.Present) > 0:
		present := slices.Sorted(maps.Keys(s.m.Present))
		s.vanish(present[s.IntN(len(present))])
	case n < 90 && s.h.Table.Completion.Explicit:
		s.add(Step{Kind: StepComplete})
	default:
		s.notice()
	}
}

// changes lands one to three change files.
func (s *story) changes() {
	step := Step{Kind: StepLand}
	for range 1 + s.IntN(3) {
		step.Land = append(step.Land, s.changeFile())
	}
	s.land(step)
}

func (s *story) vanish(location string) {
	s.unseen = slices.DeleteFunc(s.unseen, func(l string) bool { return l == location })
	s.add(Step{Kind: StepVanish, Gone: location})
}

func (s *story) changeFile() Landing {
	s.source = s.source.Add(time.Duration(1+s.IntN(4000)) * time.Millisecond)
	at := s.source
	if s.IntN(8) == 0 {
		at = at.Add(-time.Duration(1+s.IntN(20_000)) * time.Millisecond) // out of order at the producer
	}
	name := "shop/orders/" + at.Format("20060102-150405") + fmt.Sprintf("%03d.csv", at.Nanosecond()/1e6)
	if _, taken := s.m.Present[name]; taken {
		return s.changeFile()
	}
	rows := s.rows.changes(1 + s.IntN(6))
	l := s.landing(name, rows, s.h.ChangeColumns)
	if s.IntN(25) == 0 {
		l.Content, l.Rows, l.Bad = s.rows.bad(), nil, true
	}
	return l
}

// fullLoad lands one to three full-load files, among change files.
func (s *story) fullLoad() {
	step := Step{Kind: StepLand}
	for i := range 1 + s.IntN(3) {
		rows := s.rows.full(s.IntN(7))
		step.Land = append(step.Land, s.landing(fmt.Sprintf("shop/orders/LOAD%08X.csv", i+1), rows, s.h.FullColumns))
		if s.IntN(3) == 0 {
			step.Land = append(step.Land, s.changeFile())
		}
		if s.IntN(4) == 0 {
			s.land(step)
			step.Land = nil
		}
	}
	s.land(step)
}

func (s *story) landing(name string, rows []Change, columns []string) Landing {
	s.now = s.now.Add(time.Duration(1+s.IntN(900)) * time.Millisecond)
	return Landing{Location: name, Rows: rows, At: s.now, Content: s.rows.csv(rows, columns)}
}

// land lets the files land and, mostly, be noticed.
func (s *story) land(step Step) {
	if len(step.Land) == 0 {
		return
	}
	s.add(step)
	for _, l := range step.Land {
		s.unseen = append(s.unseen, l.Location)
	}
	if s.IntN(4) > 0 {
		s.notice()
	}
}

// notice reports some of the files that landed, in any order and some of them
// twice, or lists the source.
func (s *story) notice() {
	if s.IntN(2) == 0 {
		s.unseen = nil
		s.add(Step{Kind: StepIngest})
		return
	}
	s.Shuffle(len(s.unseen), func(i, j int) { s.unseen[i], s.unseen[j] = s.unseen[j], s.unseen[i] })
	n := s.IntN(len(s.unseen) + 1)
	events := slices.Clone(s.unseen[:n])
	s.unseen = s.unseen[n:]
	for _, l := range slices.Sorted(maps.Keys(s.m.Present)) {
		if s.IntN(8) == 0 {
			events = append(events, l)
		}
	}
	for _, key := range slices.Sorted(maps.Keys(s.m.files)) {
		if s.IntN(100) == 0 {
			events = append(events, key)
		}
	}
	s.Shuffle(len(events), func(i, j int) { events[i], events[j] = events[j], events[i] })
	s.add(Step{Kind: []StepKind{StepEvent, StepEvent, StepRegister}[s.IntN(3)], Events: events})
}

// repair does what an operator may do to a paused table.
func (s *story) repair() {
	kinds := []StepKind{StepResume}
	if len(s.m.Ledger.failed()) > 0 {
		kinds = []StepKind{StepRetry, StepSkip, StepSkip}
	}
	s.add(Step{Kind: kinds[s.IntN(len(kinds))]})
}

// end lets everything come to rest.
func (s *story) end() {
	s.add(Step{Kind: StepIngest})
	for s.m.Ledger.Paused() || s.m.Ledger.open != nil {
		switch {
		case !s.m.Ledger.Paused():
			s.add(Step{Kind: StepComplete})
		default:
			s.repair()
		}
	}
}
