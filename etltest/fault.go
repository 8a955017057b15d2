package etltest

import (
	"errors"
	"slices"
	"sync"

	"github.com/tidemark-data/etl"
)

var (
	// ErrInjected is the error of a fault that was asked for without one. Its
	// outcome is Retry.
	ErrInjected = etl.WithOutcome(etl.Retry, errors.New("etltest: injected fault"))
	// ErrCrash is what every call returns after a crash. Its outcome is Refused,
	// at which a Runner stops at once and records nothing; the outcomes that
	// stand for hope would make it try again, or pause the table.
	ErrCrash = etl.WithOutcome(etl.Refused, errors.New("etltest: crashed"))
)

// Injector lets calls fail. It wraps sources, control stores, lockers, sinks and dispatchers;
// every call through a wrapper passes a point before its effect and one after
// it, and at each point a fault can be placed. A point is named by interface,
// method and place:
//
//	source.List/before, /mid, /after      source.Open/before, /after
//	source.Dispose, source.URI            (before, after)
//	dispatcher.Submit, dispatcher.Find, dispatcher.Status, dispatcher.Cancel (before, after)
//	input.ReadAt/before, /after           input.Close/before, /after
//	control.State, control.Update         (before, after)
//	control.Files, control.History        (before, mid, after)
//	locker.Acquire, locker.RaiseFence     (before, after)
//	lease.Renew, lease.Release            (before, after)
//	sink.Apply, sink.Applied, sink.Fence, sink.Standing, sink.Maintain (before, after)
//	sink.Erase, sink.Purge                (before, after)
//	sink.Prepare, sink.Stage, sink.Staged, sink.Publish, sink.Discard (before, after)
//
// A fault before a call keeps its effect from happening. A fault after it hides
// that it did: the caller sees the error only, and [etl.ErrUnknownCommit] is what
// an honest adapter would say there. Iterations have a point before
// the first element, one before the second (mid) and one after the last; one
// that the consumer leaves early does not pass the rest.
//
// A fault with [ErrCrash] is the death of the process: from then on every call
// fails with it and has no effect, until Restart; calls that were under way may
// still have theirs. What was handed out before (leases, inputs, iterations)
// stays dead; what the stores hold stays, the lock's lease included. So a test
// crashes a Runner at each point in turn, waits for it to return, restarts, runs
// a new Runner over the same wrappers, and compares:
//
//	run(); points := inj.Count()
//	for n := 1; n <= points; n++ {
//		inj.Reset(); inj.FailNth(n, etltest.ErrCrash)
//		run() // fails
//		inj.Restart()
//		run() // heals
//	}
//
// Where goroutines call at the same time, the numbers of points vary from run
// to run. An Injector is safe for concurrent use.
type Injector struct {
	mu     sync.Mutex
	trace  []string
	byName map[string]int
	atName map[spot]error
	atNth  map[int]error
	life   int // counts restarts; 0 is the first life
	dead   bool
}

type spot struct {
	name string
	nth  int
}

// NewInjector returns an injector without faults.
func NewInjector() *Injector {
	i := &Injector{}
	i.Reset()
	return i
}

// FailAt places a fault at the nth pass of the point of that name, counted from
// 1 since the last Reset. It strikes once. err is what the call returns; nil is
// ErrInjected, and ErrCrash, or an error that wraps it, is a crash.
func (i *Injector) FailAt(name string, nth int, err error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.atName[spot{name, nth}] = orInjected(err)
}

// FailNth places a fault at the nth point of all, counted from 1 since the last
// Reset. Otherwise it is as FailAt.
func (i *Injector) FailNth(n int, err error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.atNth[n] = orInjected(err)
}

func orInjected(err error) error {
	if err == nil {
		return ErrInjected
	}
	return err
}

// Crash kills the process now, at no particular point.
func (i *Injector) Crash() {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.dead = true
}

// Crashed reports whether the process is dead.
func (i *Injector) Crashed() bool {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.dead
}

// Restart starts the next process, whether or not the last one is dead. Faults
// and counts stay as they are. No call of the last process may be under way:
// wait until its Runner has returned.
func (i *Injector) Restart() {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.dead = false
	i.life++
}

// Reset forgets all faults and counts, and revives a dead process.
func (i *Injector) Reset() {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.trace, i.byName = nil, map[string]int{}
	i.atName, i.atNth = map[spot]error{}, map[int]error{}
	if i.dead {
		i.dead = false
		i.life++
	}
}

// Count returns how many points were passed since the last Reset. Calls of the
// dead pass none.
func (i *Injector) Count() int {
	i.mu.Lock()
	defer i.mu.Unlock()
	return len(i.trace)
}

// Trace returns the names of the points passed since the last Reset, in order:
// the first is that of FailNth(1).
func (i *Injector) Trace() []string {
	i.mu.Lock()
	defer i.mu.Unlock()
	return slices.Clone(i.trace)
}

// scope is the part of an injector that belongs to one process.
type scope struct {
	inj  *Injector
	life int
}

// scope returns that of the process that lives now.
func (i *Injector) scope() scope {
	i.mu.Lock()
	defer i.mu.Unlock()
	return scope{i, i.life}
}

// pass passes a point, and returns the fault that is placed there.
func (s scope) pass(name string) error {
	i := s.inj
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.dead || i.life != s.life {
		return ErrCrash
	}
	i.trace = append(i.trace, name)
	i.byName[name]++
	err, ok := i.atNth[len(i.trace)]
	if !ok {
		err = i.atName[spot{name, i.byName[name]}]
	}
	if errors.Is(err, ErrCrash) {
		i.dead = true
	}
	return err
}

// call passes the points around f. A fault behind f hides what f returned.
func (s scope) call(name string, f func() error) error {
	if err := s.pass(name + "/before"); err != nil {
		return err
	}
	err := f()
	if fault := s.pass(name + "/after"); fault != nil {
		return fault
	}
	return err
}

// value is call for functions with a result, which is zero where there is a fault.
func value[T any](s scope, name string, f func() (T, error)) (T, error) {
	var v T
	err := s.call(name, func() (err error) {
		v, err = f()
		return err
	})
	if err != nil {
		var zero T
		return zero, err
	}
	return v, nil
}
