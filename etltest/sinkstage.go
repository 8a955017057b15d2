package etltest

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tidemark-data/etl"
)

// Stager is the conformance suite of [etl.Stager]. [Sink] runs it for sinks that have
// that ability; others skip it.
func Stager(t *testing.T, open func(t *testing.T) SinkUnderTest) {
	tests := map[string]func(*stageTest){
		"NobodySeesTheStaging":    stageHidden,
		"EqualsOneLoad":           stageEquals,
		"EqualsOneLoadFiltered":   stageEqualsFiltered,
		"EqualsOneLoadSplit":      stageEqualsPartitioned,
		"TwiceIsOnce":             stageTwice,
		"OtherStagingsGo":         stageOthersGo,
		"DiscardedIsGone":         stageDiscard,
		"IncompleteIsNotFound":    stageIncomplete,
		"StaleFence":              stageStaleFence,
		"FilesSideBySide":         stageRaces,
		"BadRowStagesNothing":     stageBadRow,
		"MixedOrdersAreRefused":   stageMixedOrders,
		"ChangesStandAboveIt":     stageThenChanges,
		"EmptyFiles":              stageEmpty,
		"TableChangesMeanwhile":   stageTableMoves,
		"DiscardedWhileItIsBeing": stageDiscardRace,
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			s := open(t)
			stager, ok := s.(etl.Stager)
			if !ok {
				t.Skip("the sink is no etl.Stager")
			}
			test(&stageTest{newSinkTest(t, s), stager})
		})
	}
}

type stageTest struct {
	*sinkTest
	stager etl.Stager
}

// staged makes a full load of several files.
func (s *stageTest) staged(texts ...string) etl.Load {
	var load etl.Load
	for i, text := range texts {
		one := s.load(etl.Full, text)
		if i == 0 {
			load = one
			load.Files, load.Staged = nil, true
		}
		load.Files = append(load.Files, one.Files...)
	}
	s.epoch = load.Epoch
	load.Watermark, load.WatermarkFile = "", ""
	return load
}

func (s *stageTest) changes(load etl.Load, i int) *etl.Changes {
	s.Helper()
	c, err := etl.StageChanges(etl.ChangesConfig{Table: s.table, Load: load, Source: s.source, Budget: s.budget}, i)
	require.NoError(s, err)
	return c
}

func (s *stageTest) stage(load etl.Load, i int) (etl.StagedFile, error) {
	s.Helper()
	return s.stager.Stage(context.Background(), s.target(), load, i, s.changes(load, i))
}

func (s *stageTest) prepare(load etl.Load) {
	s.Helper()
	require.NoError(s, s.stager.Prepare(context.Background(), s.target(), load))
}

func (s *stageTest) publish(load etl.Load) etl.Receipt {
	s.Helper()
	r, err := s.stager.Publish(context.Background(), s.target(), load)
	require.NoError(s, err)
	require.Equal(s, load.ID, r.LoadID)
	require.NoError(s, r.Counts.Check(etl.Full))
	return r
}

// stageAll stages the files in an order of no meaning.
func (s *stageTest) stageAll(load etl.Load) {
	s.Helper()
	s.prepare(load)
	for _, i := range rand.Perm(len(load.Files)) {
		f, err := s.stage(load, i)
		require.NoError(s, err)
		require.Equal(s, i, f.Index)
		require.Equal(s, load.Files[i].ID(), f.ID)
	}
}

func (s *stageTest) list(load etl.Load) []etl.StagedFile {
	s.Helper()
	files, err := s.stager.Staged(context.Background(), s.target(), load)
	require.NoError(s, err)
	return files
}

func stageHidden(s *stageTest) {
	s.full("1,Ann,\n2,Bob,\n")
	load := s.staged("3,Cy,\n4,Di,\n", "5,Ed,\n")
	require.Empty(s, s.list(load))
	_, err := s.stage(load, 0)
	require.ErrorIs(s, err, etl.ErrNotFound, "the staging is not open")
	s.prepare(load)
	require.Empty(s, s.list(load))
	f, err := s.stage(load, 1)
	require.NoError(s, err)
	require.Equal(s, etl.Counts{Read: 1, Inserted: 1}, f.Counts)
	require.Equal(s, []etl.StagedFile{f}, s.list(load))
	first, err := s.stage(load, 0)
	require.NoError(s, err)
	require.Equal(s, []etl.StagedFile{first, f}, s.list(load), "in the order of the load")
	s.want(row(1, "Ann", nil), row(2, "Bob", nil))
	_, found, err := s.sink.Applied(context.Background(), s.target(), load.ID)
	require.NoError(s, err)
	require.False(s, found)
	r := s.publish(load)
	require.Equal(s, etl.Counts{Read: 3, Inserted: 3, RowsBefore: 2, RowsAfter: 3}, r.Counts)
	s.want(row(3, "Cy", nil), row(4, "Di", nil), row(5, "Ed", nil))
	require.Empty(s, s.list(load))
}

func stageTwice(s *stageTest) {
	load := s.staged("1,Ann,\n2,Bob,\n", "2,Bea,\n")
	s.stageAll(load)
	before := s.list(load)
	s.prepare(load)
	again, err := s.stage(load, 0)
	require.NoError(s, err)
	require.True(s, again.Found)
	again.Found = false
	require.Equal(s, before[0], again)
	require.Equal(s, before, s.list(load))
	made := s.publish(load)
	require.Equal(s, etl.Counts{Read: 3, Inserted: 2, Superseded: 1, RowsAfter: 2}, made.Counts)
	s.change("I,,7,Gil,1\n")
	found := s.publish(load)
	require.True(s, found.Found)
	require.Equal(s, made.Snapshot, found.Snapshot)
	s.prepare(load)
	s.want(row(1, "Ann", nil), row(2, "Bea", nil), row(7, "Gil", 1))
}

func stageOthersGo(s *stageTest) {
	old := s.staged("1,Ann,\n", "2,Bob,\n")
	s.stageAll(old)
	s.fence++
	load := s.staged("3,Cy,\n")
	s.prepare(load)
	require.Empty(s, s.list(old))
	_, err := s.stage(old, 0)
	require.ErrorIs(s, err, etl.ErrNotFound)
	_, err = s.stager.Publish(context.Background(), s.target(), old)
	require.ErrorIs(s, err, etl.ErrNotFound)
	require.ErrorIs(s, s.stager.Prepare(context.Background(), s.target(), old), etl.ErrStaleFence, "the newer staging stays")
	_, err = s.stage(load, 0)
	require.NoError(s, err)
	s.publish(load)
	s.want(row(3, "Cy", nil))
}

func stageDiscard(s *stageTest) {
	ctx := context.Background()
	require.NoError(s, s.stager.Discard(ctx, s.target()), "of a table that is not there")
	s.full("1,Ann,\n")
	load := s.staged("3,Cy,\n")
	s.stageAll(load)
	require.NoError(s, s.stager.Discard(ctx, s.target()))
	require.NoError(s, s.stager.Discard(ctx, s.target()))
	require.Empty(s, s.list(load))
	_, err := s.stager.Publish(ctx, s.target(), load)
	require.ErrorIs(s, err, etl.ErrNotFound)
	s.want(row(1, "Ann", nil))
	s.stageAll(load)
	s.publish(load)
	s.want(row(3, "Cy", nil))
}

func stageIncomplete(s *stageTest) {
	load := s.staged("1,Ann,\n", "2,Bob,\n")
	s.prepare(load)
	_, err := s.stage(load, 1)
	require.NoError(s, err)
	_, err = s.stager.Publish(context.Background(), s.target(), load)
	require.ErrorIs(s, err, etl.ErrNotFound)
	s.want()
}

func stageStaleFence(s *stageTest) {
	f, ok := s.sink.(etl.Fencer)
	if !ok {
		s.Skip("the sink is no etl.Fencer")
	}
	s.fence = 5
	load := s.staged("1,Ann,\n")
	s.stageAll(load)
	require.NoError(s, f.Fence(context.Background(), s.target(), 6))
	_, err := s.stager.Publish(context.Background(), s.target(), load)
	require.ErrorIs(s, err, etl.ErrStaleFence)
	require.ErrorIs(s, s.stager.Prepare(context.Background(), s.target(), load), etl.ErrStaleFence)
	load.Fence = 6
	s.prepare(load)
	s.publish(load)
	s.want(row(1, "Ann", nil))
}

func stageRaces(s *stageTest) {
	texts := make([]string, 6)
	var want [][]any
	for i := range texts {
		texts[i] = fmt.Sprintf("%d,a,\n%d,b,\n", 2*i, 2*i+1)
		want = append(want, row(2*i, "a", nil), row(2*i+1, "b", nil))
	}
	load := s.staged(texts...)
	s.prepare(load)
	var wg sync.WaitGroup
	errs := make([]error, 3)
	for w := range errs {
		wg.Go(func() {
			for i := range texts {
				f := func() error { _, err := s.stage(load, (i+w)%len(texts)); return err }
				err := f()
				for try := 0; err != nil && etl.OutcomeOf(err) == etl.Retry && try < 5; try++ {
					err = f()
				}
				errs[w] = errors.Join(errs[w], err)
			}
		})
	}
	wg.Wait()
	require.NoError(s, errors.Join(errs...))
	require.Len(s, s.list(load), len(texts))
	r := s.publish(load)
	require.EqualValues(s, 12, r.Counts.Read)
	s.want(want...)
}

func stageBadRow(s *stageTest) {
	load := s.staged("1,Ann,\n", "2,Bob,\n3,Cy,x\n")
	s.prepare(load)
	_, err := s.stage(load, 1)
	var re *etl.RowError
	require.ErrorAs(s, err, &re)
	require.EqualValues(s, 2, re.Row)
	require.Equal(s, load.Files[1].Location, re.File)
	require.Empty(s, s.list(load))
}

func stageMixedOrders(s *stageTest) {
	load := s.staged("1,Ann,5\n2,Bob,\n1,Anna,\n")
	s.prepare(load)
	_, err := s.stage(load, 0)
	var re *etl.RowError
	require.ErrorAs(s, err, &re)
	require.Equal(s, etl.Terminal, etl.OutcomeOf(err))
	require.Contains(s, re.Rule, "staging: never")
	require.Equal(s, load.Files[0].Location, re.File)
	require.Empty(s, s.list(load))
}

func stageThenChanges(s *stageTest) {
	load := s.staged("1,Ann,900\n2,Bob,800\n", "2,Bea,900\n3,Cy,\n")
	s.stageAll(load)
	s.publish(load)
	r := s.change("U,,1,one,1\nU,,2,two,2\nD,,3,,\nI,,4,four,1\n")
	require.Equal(s, etl.Counts{Read: 4, Inserted: 1, Updated: 2, Deleted: 1, RowsBefore: 3, RowsAfter: 3}, r.Counts)
	s.want(row(1, "one", 1), row(2, "two", 2), row(4, "four", 1))
}

func stageEmpty(s *stageTest) {
	load := s.staged("", "1,Ann,\n", "")
	s.stageAll(load)
	s.publish(load)
	s.want(row(1, "Ann", nil))
	none := s.staged("")
	s.stageAll(none)
	s.publish(none)
	s.want()
}

func stageTableMoves(s *stageTest) {
	s.full("1,Ann,\n2,Bob,\n")
	load := s.staged("3,Cy,\n")
	s.epoch-- // the changes belong to the table that is there
	s.prepare(load)
	s.change("U,,1,Anne,5\n")
	_, err := s.stage(load, 0)
	require.NoError(s, err)
	s.change("D,,2,,\n")
	s.want(row(1, "Anne", 5))
	s.epoch++
	r := s.publish(load)
	require.EqualValues(s, 1, r.Counts.RowsBefore)
	s.want(row(3, "Cy", nil))
}

// A staging that is removed while files are being staged takes no more of them.
func stageDiscardRace(s *stageTest) {
	texts := make([]string, 8)
	for i := range texts {
		texts[i] = strings.Repeat(fmt.Sprintf("%d,a,\n", i), 50)
	}
	load := s.staged(texts...)
	s.prepare(load)
	done := make(chan error)
	go func() {
		defer close(done)
		for i := range texts {
			if _, err := s.stage(load, i); err != nil {
				done <- err
				return
			}
		}
	}()
	time.Sleep(3 * time.Millisecond)
	require.NoError(s, s.stager.Discard(context.Background(), s.target()))
	if err := <-done; err != nil {
		require.ErrorIs(s, err, etl.ErrNotFound)
	}
	require.Empty(s, s.list(load))
}
