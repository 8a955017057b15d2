package dynamocontrol_test

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/stretchr/testify/require"

	"github.com/tidemark-data/etl"
	"github.com/tidemark-data/etl/control/dynamocontrol"
	"github.com/tidemark-data/etl/etltest"
	"github.com/tidemark-data/etl/etltest/awstest"
)

func creating(c awstest.DynamoCall) bool { return c.Op == "CreateTable" || c.Op == "DescribeTable" }

// TestSuiteUnderFaults: calls that are throttled, lose against another
// transaction, or lose their answers before or after their effect, are nothing
// that a user of the store gets to see.
func TestSuiteUnderFaults(t *testing.T) {
	lost := awstest.DynamoFault{After: awstest.ErrReset}
	faults := []awstest.DynamoFault{lost, {Before: awstest.ErrReset}, {Before: awstest.DynamoThrottled()}, {Before: awstest.DynamoConflict(3)}}
	for name, mix := range map[string][]awstest.DynamoFault{"lost after": {lost}, "all sorts": faults} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			etltest.ControlStore(t, func(t *testing.T) etl.ControlStore {
				f := fake()
				f.Hook = func(c awstest.DynamoCall) awstest.DynamoFault {
					if creating(c) || c.N%3 != 0 {
						return awstest.DynamoFault{}
					}
					return mix[c.N/3%len(mix)]
				}
				return open(t, f)
			})
		})
	}
}

// base is a table with n records at version 1. The update under test changes
// all of them, moves a few to another table, and adds some.
func base(t *testing.T, s *dynamocontrol.Store, n int) (before, after etl.Update) {
	t.Helper()
	before.State = etl.State{Table: "a.b", Epoch: 1}
	after.State = etl.State{Table: "a.b", Version: 1, Epoch: 2}
	for i := range n {
		r := etl.FileRecord{File: etl.File{Location: fmt.Sprintf("f/%04d", i), ETag: "e"}, Table: "a.b", Kind: etl.Incremental, Status: etl.Pending}
		before.Insert = append(before.Insert, r)
		r.Status, r.Epoch = etl.Applied, 2
		if i%10 == 0 {
			r.Table = "c.d"
		}
		after.Put = append(after.Put, r)
	}
	for i := range n / 5 {
		after.Insert = append(after.Insert, etl.FileRecord{File: etl.File{Location: fmt.Sprintf("g/%04d", i)}, Table: "a.b", Status: etl.Pending})
	}
	before.Entries = []etl.Entry{{Table: "a.b", Text: "before"}}
	after.Entries = []etl.Entry{{Table: "a.b", Text: "after"}}
	require.NoError(t, s.Update(t.Context(), before))
	return before, after
}

// stands reports whether the ledger is that after the update (or before it); it
// fails if it is neither.
func stands(t *testing.T, s *dynamocontrol.Store, before, after etl.Update) bool {
	t.Helper()
	st, err := s.State(t.Context(), "a.b")
	require.NoError(t, err)
	done := st.Version == 2
	require.Equal(t, st.Version, st.Epoch)
	history := 0
	for e, err := range s.History(t.Context(), "a.b") {
		require.NoError(t, err)
		if history++; history == 1 {
			require.Equal(t, map[bool]string{false: "before", true: "after"}[done], e.Text)
		}
	}
	require.Equal(t, int(st.Version), history)
	want := map[string]etl.FileRecord{}
	for _, r := range before.Insert {
		want[r.ID()] = r
	}
	if done {
		for _, r := range append(after.Put[:len(after.Put):len(after.Put)], after.Insert...) {
			want[r.ID()] = r
		}
	}
	got := map[string]etl.FileRecord{}
	for _, table := range []string{"a.b", "c.d"} {
		for r, err := range s.Files(t.Context(), etl.FileQuery{Table: table}) {
			require.NoError(t, err)
			require.NotContains(t, got, r.ID())
			got[r.ID()] = r
		}
	}
	require.Equal(t, want, got)
	return done
}

// clean checks that nothing is left over but a hint for each record.
func clean(t *testing.T, f *awstest.DynamoDB, table string, records int) {
	t.Helper()
	count := map[string]int{}
	for _, it := range f.Items(table) {
		sk := it["sk"].(*types.AttributeValueMemberS).Value
		require.NotContains(t, it, "tx", "a record still waits")
		count[sk[:2]]++
	}
	require.Equal(t, records, count["FI"])
	require.Equal(t, records, count["Q#"], "hints")
	require.Zero(t, count["TX"])
	require.Zero(t, count["BL"])
}

// sizes are numbers of records that take one transaction, hints outside of it,
// and stages.
var sizes = map[string]int{"direct": 10, "hints outside": 60, "stages": 90}

// TestCrash lets the process die before or after each call of an update in turn.
// Whoever comes next sees all of it or nothing, can go on, and cleans up.
func TestCrash(t *testing.T) {
	for name, n := range sizes {
		for _, after := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, after %v", name, after), func(t *testing.T) {
				t.Parallel()
				points, applied := 0, 0
				for at := 1; ; at++ {
					done, more := crashAt(t, n, at, after)
					if !more {
						break
					}
					points++
					if done {
						applied++
					}
				}
				require.Greater(t, points, 2)
				require.Less(t, applied, points)
				if after || name != "direct" {
					require.Positive(t, applied, "none died behind the commit")
				}
			})
		}
	}
}

// crashAt lets the update die at one call; more is false if it makes fewer.
func crashAt(t *testing.T, n, at int, after bool) (done, more bool) {
	f := &awstest.DynamoDB{}
	s := open(t, f)
	table := onlyTable(t, f)
	before, update := base(t, s, n)
	var calls, dead atomic.Int64
	f.Hook = func(awstest.DynamoCall) awstest.DynamoFault {
		c := calls.Add(1)
		switch {
		case dead.Load() != 0, c == int64(at) && !after:
			dead.Store(1)
			return awstest.DynamoFault{Before: awstest.ErrReset}
		case c == int64(at):
			dead.Store(1)
			return awstest.DynamoFault{After: awstest.ErrReset}
		}
		return awstest.DynamoFault{}
	}
	dying, err := dynamocontrol.New(f, dynamocontrol.Options{Table: table, Attempts: 1, Parallel: 1})
	require.NoError(t, err)
	err = dying.Update(t.Context(), update)
	f.Hook = nil
	done = stands(t, s, before, update)
	switch {
	case err == nil:
		require.True(t, done)
	case errors.Is(err, etl.ErrUnknownCommit):
	default:
		require.False(t, done, "certain failure: %v", err)
	}
	if dead.Load() == 0 {
		return done, false
	}
	records := n + n/5
	if !done {
		require.NoError(t, s.Update(t.Context(), update))
		require.True(t, stands(t, s, before, update))
	}
	// A later update in stages finds what is left, and leaves nothing.
	st, err := s.State(t.Context(), "a.b")
	require.NoError(t, err)
	next := etl.Update{State: st}
	for i := range 100 {
		next.Insert = append(next.Insert, etl.FileRecord{File: etl.File{Location: fmt.Sprintf("h/%d", i)}, Table: "a.b"})
	}
	require.NoError(t, s.Update(t.Context(), next))
	st.Version++
	require.NoError(t, s.Update(t.Context(), etl.Update{State: st}))
	for _, it := range f.Items(table) {
		require.NotContains(t, it, "tx", "a record still waits")
	}
	if n == sizes["stages"] && !done {
		count := map[string]int{}
		for _, it := range f.Items(table) {
			count[it["sk"].(*types.AttributeValueMemberS).Value[:2]]++
		}
		require.Equal(t, count["FI"], count["Q#"], "hints of what was made void are gone")
	}
	files := 0
	for _, err := range s.Files(t.Context(), etl.FileQuery{Table: "a.b"}) {
		require.NoError(t, err)
		files++
	}
	require.Equal(t, records+100-n/10, files)
	return done, true
}

// TestOutcomes loses one answer, without any retry, at each call in turn: what
// the error says must be true.
func TestOutcomes(t *testing.T) {
	for name, n := range sizes {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for at := int64(1); ; at++ {
				f := &awstest.DynamoDB{}
				s := open(t, f)
				before, update := base(t, s, n)
				once, err := dynamocontrol.New(f, dynamocontrol.Options{Table: onlyTable(t, f), Attempts: 1, Parallel: 1})
				require.NoError(t, err)
				var calls atomic.Int64
				f.Hook = func(awstest.DynamoCall) awstest.DynamoFault {
					if calls.Add(1) == at {
						return awstest.DynamoFault{After: awstest.ErrReset}
					}
					return awstest.DynamoFault{}
				}
				err = once.Update(t.Context(), update)
				f.Hook = nil
				done := stands(t, s, before, update)
				require.Equal(t, err == nil, done, "call %d: %v", at, err)
				require.NotErrorIs(t, err, etl.ErrUnknownCommit, "the state can be read back")
				if calls.Load() < at {
					clean(t, f, onlyTable(t, f), n+n/5)
					break
				}
			}
		})
	}
}

// TestIntruder runs another update at each call of an update in turn, over a
// record of the same table or of another state. Both are whole or not at all.
func TestIntruder(t *testing.T) {
	for name, n := range sizes {
		for _, other := range []string{"a.b", "x.y"} {
			t.Run(name+" "+other, func(t *testing.T) {
				t.Parallel()
				for at := int64(1); intrude(t, n, at, other); at++ {
				}
			})
		}
	}
}

func intrude(t *testing.T, n int, at int64, other string) (more bool) {
	f := &awstest.DynamoDB{}
	s := open(t, f)
	_, update := base(t, s, n)
	intruder := openTable(t, f, onlyTable(t, f))
	stolen := update.Put[n/2]
	stolen.Note, stolen.Table = "stolen", "a.b"
	theft := etl.Update{State: etl.State{Table: other}, Put: []etl.FileRecord{stolen}}
	if other == "a.b" {
		theft.State.Version = 1
	}
	var calls atomic.Int64
	var theftErr error
	f.Hook = func(awstest.DynamoCall) awstest.DynamoFault {
		if calls.Add(1) == at {
			theftErr = intruder.Update(t.Context(), theft)
		}
		return awstest.DynamoFault{}
	}
	err := s.Update(t.Context(), update)
	f.Hook = nil
	if calls.Load() < at {
		return false
	}
	require.True(t, err == nil || errors.Is(err, etl.ErrConflict), "%v", err)
	require.True(t, theftErr == nil || errors.Is(theftErr, etl.ErrConflict), "%v", theftErr)
	require.True(t, err == nil || theftErr == nil, "one of them gets through")
	if other == "a.b" {
		require.False(t, err == nil && theftErr == nil, "both of the same version")
	}
	moved, stolenSeen := 0, 0
	for _, table := range []string{"a.b", "c.d"} {
		for r, ferr := range s.Files(t.Context(), etl.FileQuery{Table: table}) {
			require.NoError(t, ferr)
			switch {
			case r.Note == "stolen":
				stolenSeen++
			case r.Epoch == 2:
				moved++
			}
		}
	}
	if err == nil {
		require.GreaterOrEqual(t, moved, n-1)
	} else {
		require.Zero(t, moved)
		require.Equal(t, 1, stolenSeen)
	}
	if theftErr != nil {
		require.Zero(t, stolenSeen)
	}
	return true
}

// A dead update in stages is waited for, but not for ever, and a living one is
// let through.
func TestPatience(t *testing.T) {
	f := &awstest.DynamoDB{}
	s := open(t, f)
	_, update := base(t, s, 150)
	var lagging atomic.Bool
	f.Hook = func(c awstest.DynamoCall) awstest.DynamoFault {
		if c.Op == "BatchWriteItem" && lagging.CompareAndSwap(false, true) {
			time.Sleep(30 * time.Millisecond)
		}
		return awstest.DynamoFault{}
	}
	patient, err := dynamocontrol.New(f, dynamocontrol.Options{Table: onlyTable(t, f), Backoff: time.Millisecond, Patience: time.Minute})
	require.NoError(t, err)
	done := make(chan error, 1)
	go func() { done <- s.Update(t.Context(), update) }()
	for !lagging.Load() {
		time.Sleep(time.Millisecond)
	}
	err = patient.Update(t.Context(), etl.Update{State: etl.State{Table: "a.b", Version: 1}})
	require.ErrorIs(t, err, etl.ErrConflict, "the large one got through")
	require.NoError(t, <-done)
}

// A try without an answer that lands while the next one is under way is not
// taken for a conflict with somebody else.
func TestLateLanding(t *testing.T) {
	f := &awstest.DynamoDB{}
	s := open(t, f)
	_, update := base(t, s, 3)
	late := &lateClient{DynamoDB: f}
	lagging, err := dynamocontrol.New(late, dynamocontrol.Options{Table: onlyTable(t, f), Backoff: time.Millisecond})
	require.NoError(t, err)
	intruder := update.Put[0]
	late.intrude = func() {
		require.NoError(t, s.Update(t.Context(), etl.Update{State: etl.State{Table: "x.y"}, Put: []etl.FileRecord{intruder}}))
	}
	require.NoError(t, lagging.Update(t.Context(), update))
	st, err := s.State(t.Context(), "a.b")
	require.NoError(t, err)
	require.Equal(t, int64(2), st.Version)
	require.True(t, late.landed)
}

// lateClient loses the first transaction on its way. Before the second, another
// writer changes a record; before the third the first arrives after all, without
// the condition that it would no longer meet.
type lateClient struct {
	*awstest.DynamoDB
	intrude func()
	first   *dynamodb.TransactWriteItemsInput
	calls   int
	landed  bool
}

func (l *lateClient) TransactWriteItems(ctx context.Context, in *dynamodb.TransactWriteItemsInput, o ...func(*dynamodb.Options)) (*dynamodb.TransactWriteItemsOutput, error) {
	switch l.calls++; l.calls {
	case 1:
		l.first = in
		return nil, awstest.ErrReset
	case 2:
		l.intrude()
	case 3:
		late := *l.first
		for i := range late.TransactItems {
			if p := late.TransactItems[i].Put; p != nil && i > 0 {
				q := *p
				q.ConditionExpression, q.ExpressionAttributeNames, q.ExpressionAttributeValues = nil, nil, nil
				late.TransactItems[i].Put = &q
			}
		}
		if _, err := l.DynamoDB.TransactWriteItems(ctx, &late); err != nil {
			return nil, err
		}
		l.landed = true
	}
	return l.DynamoDB.TransactWriteItems(ctx, in, o...)
}

// A record is read while it waits for an update that is done; before its TX is
// looked up somebody finishes that, and the TX is gone.
func TestFinishedWhileRead(t *testing.T) {
	f := &awstest.DynamoDB{}
	s := open(t, f)
	before, update := base(t, s, sizes["stages"])
	surveyed, commits := false, 0
	f.Hook = func(c awstest.DynamoCall) awstest.DynamoFault {
		switch {
		case c.Op == "BatchWriteItem":
			surveyed = true // and locked
		case c.Op == "TransactWriteItems" && surveyed:
			commits++
		case commits > 0: // dies behind the commit
			return awstest.DynamoFault{Before: awstest.ErrReset}
		}
		return awstest.DynamoFault{}
	}
	dying, err := dynamocontrol.New(f, dynamocontrol.Options{Table: onlyTable(t, f), Attempts: 1, Parallel: 1})
	require.NoError(t, err)
	require.NoError(t, dying.Update(t.Context(), update), "it has committed")
	waiting := 0
	for _, it := range f.Items(onlyTable(t, f)) {
		if it["tx"] != nil {
			waiting++
		}
	}
	require.Positive(t, waiting)

	finished := false
	f.Hook = func(c awstest.DynamoCall) awstest.DynamoFault {
		if c.Op == "GetItem" && !finished {
			finished = true
			_ = s.Update(context.Background(), etl.Update{State: etl.State{Table: "a.b", Version: 2, Epoch: 3}})
		}
		return awstest.DynamoFault{}
	}
	for r, err := range s.Files(t.Context(), etl.FileQuery{Table: "a.b", Statuses: []etl.FileStatus{etl.Applied}}) {
		require.NoError(t, err)
		require.Equal(t, int64(2), r.Epoch)
		waiting--
	}
	require.True(t, finished)
	f.Hook = nil
	n := len(before.Insert)
	require.Len(t, files(t, s, etl.FileQuery{Table: "a.b", Statuses: []etl.FileStatus{etl.Applied}}), n-n/10)
	require.Equal(t, len(update.Insert)+n/10, waiting, "each applied record was yielded")
}
