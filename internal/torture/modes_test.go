package torture

import (
	"errors"
	"flag"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	etl "github.com/tidemark-data/etl"
	"github.com/tidemark-data/etl/etltest"
	"github.com/tidemark-data/etl/format"
)

// mode is a way in which tables are written, or in which the engine works.
type mode struct {
	name  string
	props map[string]string
	tiny  bool // a memory budget of one byte, so that everything spills
	// difference commits full loads as differences
	difference bool
	// staged stages full loads file by file
	staged bool
	// plants puts bad rows into the files
	plants bool
	// transactions has changes in files of several tables
	transactions bool
	// rows is what the rows of the table are
	rows etl.Mode
}

// layout places the files of every mode.
var layout = format.DMS{CdcPath: "cdc"}

var allModes = []mode{
	{name: "merge-on-read"},
	{name: "copy-on-write", props: map[string]string{"tidemark.write-mode": "copy-on-write"}},
	{name: "auto", props: map[string]string{"tidemark.write-mode": "auto"}},
	{name: "v3", props: map[string]string{"format-version": "3"}},
	{name: "copy-on-write on v3", props: map[string]string{"format-version": "3", "tidemark.write-mode": "copy-on-write"}},
	{name: "auto on v3", props: map[string]string{"format-version": "3", "tidemark.write-mode": "auto"}},
	{name: "tiny", tiny: true},
	{name: "transactions", transactions: true},
	{name: "difference", difference: true},
	{name: "difference copy-on-write", difference: true, props: map[string]string{"tidemark.write-mode": "copy-on-write"}},
	{name: "difference on v3", difference: true, props: map[string]string{"format-version": "3"}},
	{name: "difference copy-on-write on v3", difference: true, props: map[string]string{"format-version": "3", "tidemark.write-mode": "copy-on-write"}},
	{name: "difference tiny", difference: true, tiny: true},
	{name: "staged", staged: true},
	{name: "staged copy-on-write", staged: true, props: map[string]string{"tidemark.write-mode": "copy-on-write"}},
	{name: "staged on v3", staged: true, props: map[string]string{"format-version": "3"}},
	{name: "staged copy-on-write on v3", staged: true, props: map[string]string{"format-version": "3", "tidemark.write-mode": "copy-on-write"}},
	{name: "staged tiny", staged: true, tiny: true},
	{name: "append", rows: etl.ModeAppend},
	{name: "append on v3", rows: etl.ModeAppend, props: map[string]string{"format-version": "3"}},
	{name: "append staged", rows: etl.ModeAppend, staged: true},
	{name: "soft delete", rows: etl.ModeSoftDelete},
	{name: "soft delete copy-on-write", rows: etl.ModeSoftDelete, props: map[string]string{"tidemark.write-mode": "copy-on-write"}},
	{name: "soft delete on v3", rows: etl.ModeSoftDelete, props: map[string]string{"format-version": "3"}},
	{name: "soft delete tiny", rows: etl.ModeSoftDelete, tiny: true},
	{name: "history", rows: etl.ModeHistory},
	{name: "history copy-on-write", rows: etl.ModeHistory, props: map[string]string{"tidemark.write-mode": "copy-on-write"}},
	{name: "history on v3", rows: etl.ModeHistory, props: map[string]string{"format-version": "3"}},
	{name: "history copy-on-write on v3", rows: etl.ModeHistory, props: map[string]string{"format-version": "3", "tidemark.write-mode": "copy-on-write"}},
	{name: "history difference", rows: etl.ModeHistory, difference: true},
	{name: "history difference on v3", rows: etl.ModeHistory, difference: true, props: map[string]string{"format-version": "3"}},
	{name: "history staged", rows: etl.ModeHistory, staged: true},
	{name: "history tiny", rows: etl.ModeHistory, tiny: true},
}

var (
	modeNames = flag.String("modes", "", "`list` of modes for the tables over Iceberg; empty is all: merge-on-read, copy-on-write, auto, v3, copy-on-write on v3, auto on v3, tiny, transactions, and difference, staged, append, soft delete and history with some of them")
	property  = map[string]string{}
)

func init() {
	flag.Func("property", "a property of all tables, as `name=value`; may be repeated", func(s string) error {
		name, value, ok := strings.Cut(s, "=")
		if !ok {
			return errors.New("not of the form name=value")
		}
		property[name] = value
		return nil
	})
}

// modes are those of -modes.
func modes(t *testing.T) (out []mode) {
	if *modeNames == "" {
		return allModes
	}
	for name := range strings.SplitSeq(*modeNames, ",") {
		i := slices.IndexFunc(allModes, func(m mode) bool { return m.name == name })
		if i < 0 {
			t.Fatalf("there is no mode %q", name)
		}
		out = append(out, allModes[i])
	}
	return out
}

// history is that of a seed, with the table that the mode declares.
func (m mode) history(seed int64, steps int) *etltest.History {
	h := etltest.NewModeHistory(m.rows, seed, steps, format.DMS{})
	m.declare(&h.Table)
	if m.transactions {
		h = h.Mixed()
	}
	return h
}

// landing is the step in which a file lands as the mode has its files.
func (m mode) landing(l etltest.Landing) etltest.Step {
	h := &etltest.History{Steps: []etltest.Step{{Kind: etltest.StepLand, Land: []etltest.Landing{l}}}}
	if m.transactions {
		h = h.Mixed()
	}
	return h.Steps[0]
}

func (m mode) declare(t *etl.Table) {
	if t.Mode = m.rows; m.rows == etl.ModeHistory {
		t.FullLoads = etl.FullReplace
	}
	if m.difference {
		t.FullLoads = etl.FullDifference
	}
	if m.staged {
		t.Staging = etl.Staging{Mode: etl.StageAlways, Workers: 1}
	}
}

// properties are those of tables in the mode.
func (m mode) properties() map[string]string {
	out := maps.Clone(property)
	maps.Copy(out, m.props)
	return out
}

// account is what ran, for the end of the output.
var account struct {
	sync.Mutex
	lines []string
}

// enter notes how many histories of a test ran since a time, and how many failed.
func enter(t *testing.T, histories, failed int, since time.Time) {
	account.Lock()
	defer account.Unlock()
	name := strings.TrimPrefix(t.Name(), "Test")
	account.lines = append(account.lines, fmt.Sprintf("%-44s %6d histories %3d failed %8.1f s", name, histories, failed, time.Since(since).Seconds()))
}

// TestMain plays fewer histories with -short, which is for the race detector.
func TestMain(m *testing.M) {
	flag.Parse()
	if testing.Short() {
		*seeds, *lakes = (*seeds+2)/3, (*lakes+1)/2
		if *every > 1 {
			*every *= 3
		}
	}
	code := m.Run()
	slices.Sort(account.lines)
	for _, line := range account.lines {
		fmt.Println(line)
	}
	os.Exit(code)
}
