package awsetl

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/tidemark-data/etl"
)

// Landing is the place where files land, as events name them. The source of
// package s3source is one. Implementations are safe for concurrent use.
type Landing interface {
	// Location returns the location that a key of the bucket has in the source,
	// and whether it has one.
	Location(key string) (string, bool)
	// Find returns the file that is at a location now, with the identity that
	// the source's listing gives it. It returns an error that wraps
	// etl.ErrFileVanished where there is none.
	Find(ctx context.Context, location string) (etl.File, error)
}

// Parts is what a [Handler] works with besides the stores. All of it may be left out.
type Parts struct {
	// Landing finds the files that events name; nil is the source if it is one,
	// else its listing.
	Landing Landing
	// Bucket is where files land. Events of other buckets are passed over with a
	// warning. Empty takes those of any bucket.
	Bucket string
	// Waker wakes the next invocation where one ends too soon; without one the
	// schedule does.
	Waker Waker
	// Notifiers are told of tables that were paused, among other things.
	Notifiers []Notifier
	// Tasks reports to Step Functions what became of events that carry a task token.
	Tasks TaskClient

	// Grace is how long before the function's deadline work ends, so that locks
	// are given back and the next invocation is woken; zero is 10 s.
	Grace time.Duration
	// Linger is how long an invocation waits for a table that is locked or whose
	// files settle, where the Waker takes no delay; zero is 5 s.
	Linger time.Duration
	// MaxHops is how often in a row a table is woken without progress before it
	// is left to the schedule; zero is 100.
	MaxHops int
	// Settle is how long change files of tables without ordering columns wait for
	// neighbours that sort before them, where the table does not say: events come
	// in any order. Zero is 5 s, negative none.
	Settle time.Duration
	// Quiet is how long nothing must land before a full load has all its files,
	// where the table does not say (etl.Completion): its files have an event each.
	// Zero is 1 minute, negative none.
	Quiet time.Duration
	// Heartbeat is how often Step Functions is told that work goes on; zero is 30 s.
	Heartbeat time.Duration
	// DropMalformed acknowledges what is not understood. Otherwise it fails, so
	// that it ends up in a dead-letter queue.
	DropMalformed bool

	// TaskTables returns the tables whose full load a DMS task carries, by the
	// task's ARN (or name, if the event has none); see [TaskMap].
	TaskTables func(arn string) []string
	// TaskFinished says whether a state means that the task's full load is
	// finished; nil is [FullLoadFinished].
	TaskFinished func(TaskState) bool
	// OnJob is told of jobs of distributed engines and returns the tables to
	// drain. Where it is nil, the end of a job that a table waits for drains that
	// table, and the end of any other job all tables. An error lets the event come
	// again.
	OnJob func(ctx context.Context, job JobState) ([]string, error)
}

func (p Parts) withDefaults() Parts {
	orElse(&p.Grace, 10*time.Second)
	orElse(&p.Linger, 5*time.Second)
	orElse(&p.MaxHops, 100)
	orElse(&p.Heartbeat, 30*time.Second)
	orElse(&p.Settle, 5*time.Second)
	orElse(&p.Quiet, time.Minute)
	if p.TaskTables == nil {
		p.TaskTables = TaskMap(nil)
	}
	if p.TaskFinished == nil {
		p.TaskFinished = FullLoadFinished
	}
	return p
}

// forEvents returns the tables with waits that suit events, where they declare none.
func (p Parts) forEvents(tables []etl.Table) []etl.Table {
	tables = slices.Clone(tables)
	for i := range tables {
		t := &tables[i]
		if t.Settle == 0 && len(t.OrderBy) == 0 && t.Late != etl.LateApply {
			t.Settle = max(p.Settle, 0)
		}
		if t.Completion == (etl.Completion{}) {
			t.Completion.Quiet = max(p.Quiet, 0)
		}
	}
	return tables
}

func orElse[T int | time.Duration](v *T, fallback T) {
	if *v == 0 {
		*v = fallback
	}
}

// landingOf is the source itself, or its listing.
func landingOf(s etl.Source) Landing {
	if l, ok := s.(Landing); ok {
		return l
	}
	return listed{s}
}

// listed finds files by listing the source: for folders and tests.
type listed struct{ source etl.Source }

func (l listed) Location(key string) (string, bool) { return key, key != "" }

func (l listed) Find(ctx context.Context, location string) (etl.File, error) {
	for f, err := range l.source.List(ctx) {
		if err != nil {
			return etl.File{}, err
		}
		if f.Location == location {
			return f, nil
		}
	}
	return etl.File{}, &etl.FileError{File: location, Err: etl.ErrFileVanished}
}

// TaskMap returns a function for [Parts.TaskTables].
func TaskMap(tables map[string][]string) func(arn string) []string {
	return func(arn string) []string { return tables[arn] }
}

// FullLoadFinished reports whether a DMS task has finished its full load: by the
// stop reasons FULL_LOAD_ONLY_FINISHED and STOPPED_AFTER_FULL_LOAD, and those
// of stops after cached changes, wherever the event's text has them.
func FullLoadFinished(t TaskState) bool {
	text := strings.ToUpper(strings.ReplaceAll(t.Message, " ", "_"))
	for _, reason := range []string{
		"FULL_LOAD_ONLY_FINISHED", "STOPPED_AFTER_FULL_LOAD", "FULL_LOAD_COMPLETED",
		"STOPPED_AFTER_CACHED_EVENTS", "CACHED_CHANGES_APPLIED", "CACHED_CHANGES_NOT_APPLIED",
	} {
		if strings.Contains(text, reason) {
			return true
		}
	}
	return false
}
