package etl

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// machine drives the state machine as runners and operators would, and checks
// after each step what must hold in every state.
type machine struct {
	*testing.T
	table   Table
	state   State
	records []FileRecord
	now     time.Time
	files   int
	epoch   int64
	fates   map[string]int // by file ID: how often it was applied in the epoch
}

func (m *machine) do(fn func(*view)) {
	m.now = m.now.Add(700 * time.Millisecond)
	v := newView(m.table, m.state, m.records, m.now)
	fn(v)
	m.state, m.records = v.state, v.records
	sortRecords(m.records)
	m.check()
}

func (m *machine) waiting() (out []FileRecord) {
	for _, r := range m.records {
		if r.Status == Pending || r.Status == Deferred {
			out = append(out, r)
		}
	}
	return out
}

func (m *machine) check() {
	st, open, running := m.state, 0, 0
	require.GreaterOrEqual(m, st.Epoch, m.epoch)
	m.epoch = st.Epoch
	for _, r := range m.records {
		if r.Status == Running {
			running++
			require.Equal(m, st.Running.ID, r.LoadID)
		}
		switch {
		case r.Kind == Full:
			if st.Open != nil && r.Epoch == st.Open.Epoch && r.Status != Superseded && r.Status != Skipped {
				open++
			}
			if r.Status == Pending {
				require.NotNil(m, st.Open, "%s waits for a full load that is not open", r.Location)
				require.Equal(m, st.Open.Epoch, r.Epoch)
			}
			require.NotEqual(m, Deferred, r.Status)
		case st.Open == nil:
			require.NotEqual(m, Deferred, r.Status, "nothing is open")
			if r.Status == Pending && !r.Accepted {
				require.False(m, before(r.Landed(), st.EpochLanded))
			}
		default:
			require.NotEqual(m, Pending, r.Status, "changes wait for the open full load")
			require.False(m, r.Status == Deferred && before(r.Landed(), st.Open.Landed))
		}
	}
	if st.Open != nil {
		require.Equal(m, st.Open.Files, open)
		require.Greater(m, st.Open.Epoch, st.Epoch)
	}
	if st.Running == nil {
		require.Zero(m, running)
	} else {
		require.Equal(m, len(st.Running.Files), running, "the running load has all its files")
	}
	d := plan(m.table, st, m.waiting(), m.now)
	if st.Flag == FlagPaused {
		require.Nil(m, d.Load, "P plans nothing")
		require.NotNil(m, st.Paused)
	}
	if d.Load == nil {
		require.NotEmpty(m, d.Reason)
	} else {
		require.Equal(m, loadID(*d.Load), d.Load.ID)
	}
}

func (m *machine) land(kind LoadKind, order, shift byte) {
	m.files++
	f := FileRecord{Kind: kind, Order: fmt.Sprintf("%03d", order), File: File{
		Location: fmt.Sprintf("%v-%03d", kind, order%8), Size: int64(m.files),
		ModTime: m.now.Add(-time.Duration(shift%5) * time.Second),
	}}
	m.do(func(v *view) { v.register([]FileRecord{f}) })
}

func (m *machine) work(outcome byte) {
	d := plan(m.table, m.state, m.waiting(), m.now)
	if len(d.Late) > 0 {
		m.do(func(v *view) {
			for i := range v.records {
				if v.records[i].ID() == d.Late[0].ID() {
					v.set(&v.records[i], Failed, "late")
				}
			}
			v.pause(Diagnosis{Cause: "late"})
		})
		return
	}
	if d.Load == nil {
		return
	}
	l := *d.Load
	if !d.Again {
		m.do(func(v *view) { v.begin(l) })
	}
	switch outcome % 4 {
	case 0: // the process dies here
	case 1:
		m.do(func(v *view) { v.failed(l, Diagnosis{Cause: "bad", File: l.Files[0].Location}, outcome&8 != 0) })
	default:
		before, kind := m.state.Epoch, l.Kind
		m.do(func(v *view) { v.applied(l, Receipt{LoadID: l.ID}, 0) })
		if kind == Full {
			require.Greater(m, m.state.Epoch, before)
			m.fates = map[string]int{}
		}
		for _, f := range l.Files {
			m.fates[f.ID()]++
			require.Equal(m, 1, m.fates[f.ID()], "%s was applied twice", f.Location)
		}
	}
}

func (m *machine) step(op, a, b byte) {
	switch op % 9 {
	case 0:
		m.land(Full, a, b)
	case 1, 2, 3:
		m.land(Incremental, a, b)
	case 4, 5:
		m.work(a)
	case 6:
		m.do(func(v *view) { v.pause(Diagnosis{Cause: "operator"}) })
	case 7:
		m.do(func(v *view) {
			if a%2 == 0 && v.state.Running == nil {
				_, _ = v.skipFiles(nil)
			}
			v.retryFailed()
			v.resume()
		})
	case 8:
		if m.state.Running == nil && a%3 == 0 {
			before := m.state.Epoch
			m.do(func(v *view) { _ = v.reload(nil) })
			if m.state.Open != nil && m.state.Epoch == before {
				m.fates = map[string]int{}
			}
		} else {
			m.do(func(v *view) { v.abandon() })
		}
	}
}

// FuzzStateMachine runs sequences of landings, loads, crashes, failures and
// verbs through the pure core.
func FuzzStateMachine(f *testing.F) {
	f.Add(byte(0), []byte{0, 1, 0, 1, 2, 0, 4, 2, 0, 4, 2, 0})
	f.Add(byte(1), []byte{1, 5, 0, 4, 2, 0, 1, 3, 0, 4, 2, 0, 7, 1, 0, 4, 2, 0})
	f.Add(byte(2), []byte{0, 1, 0, 4, 0, 0, 0, 2, 0, 4, 2, 0, 8, 0, 0, 4, 2, 0})
	f.Add(byte(3), []byte{0, 1, 3, 0, 2, 1, 1, 4, 4, 4, 1, 0, 7, 0, 0, 1, 1, 0, 4, 3, 0})
	f.Fuzz(func(t *testing.T, setup byte, ops []byte) {
		table := Table{Name: "a.b", Completion: []Completion{{}, {EachFile: true}, {Files: 2}, {Quiet: 3 * time.Second}}[setup%4]}
		if setup&16 != 0 {
			table.OrderBy = []string{"seq"}
		}
		if setup&32 != 0 {
			table.MaxBatchFiles = 2
		}
		m := &machine{T: t, table: table.withDefaults(), now: time.Unix(1_700_000_000, 0), fates: map[string]int{}}
		m.state.Table = table.Name
		for i := 0; i+2 < len(ops) && i < 300; i += 3 {
			m.step(ops[i], ops[i+1], ops[i+2])
		}
	})
}
