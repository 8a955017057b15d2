package check

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"slices"
	"strconv"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"

	"github.com/tidemark-data/etl"
)

// counting is a check of a load's counts, by a function that begins it.
func counting(name string, valid error, begin func(ctx context.Context, scope etl.CheckScope) (func(etl.Counts) etl.Verdict, error)) check {
	return check{name, etl.SpanCounts, func(etl.Target) (start, error) {
		if valid != nil {
			return nil, valid
		}
		return func(ctx context.Context, scope etl.CheckScope) (etl.Checker, error) {
			verdict, err := begin(ctx, scope)
			return &whole{verdict: verdict}, err
		}, nil
	}}
}

// Rows holds where the files of the load have at least least and at most most rows;
// a negative most is no limit.
func Rows(least, most int64) etl.Check {
	var valid error
	if most >= 0 && least > most {
		valid = errors.New("no number lies between its limits")
	}
	made := counting("rows", valid, func(context.Context, etl.CheckScope) (func(etl.Counts) etl.Verdict, error) {
		return func(c etl.Counts) etl.Verdict {
			return etl.Verdict{OK: c.Read >= least && (most < 0 || c.Read <= most), Finding: fmt.Sprintf("%d rows, %s expected", c.Read, limits(least, most))}
		}, nil
	})
	return declared{made, "rows", fixed(options{"least": least, "most": most})}
}

func limits(least, most int64) string {
	text := fmt.Sprintf("at least %d", least)
	if most >= 0 {
		text += fmt.Sprintf(" and at most %d", most)
	}
	return text
}

// RowsOf holds where the files of the load have exactly the number of rows that
// expected tells: from the source's own count, or from a manifest ([CountFiles]).
// An error that declares no other outcome ([etl.WithOutcome]) is met by trying the
// load again.
func RowsOf(expected func(ctx context.Context, load etl.Load) (int64, error)) etl.Check {
	var valid error
	if expected == nil {
		valid = errors.New("it needs a function")
	}
	made := counting("rows_of", valid, func(ctx context.Context, scope etl.CheckScope) (func(etl.Counts) etl.Verdict, error) {
		want, err := expected(ctx, scope.Load)
		if err != nil {
			return nil, err
		}
		return func(c etl.Counts) etl.Verdict {
			return etl.Verdict{OK: c.Read == want, Finding: fmt.Sprintf("%d rows, the source counts %d", c.Read, want)}
		}, nil
	})
	return declared{made, "rows_of", func(ctx context.Context, scope etl.CheckScope) (options, error) {
		want, err := expected(ctx, scope.Load)
		return options{"expected": want}, err
	}}
}

// CountFiles gives [RowsOf] the sum of the numbers that stand in files beside those
// of the load: of each, the file of the same location with the suffix behind it. A
// file that is not there yet is waited for.
func CountFiles(files fs.FS, suffix string) func(ctx context.Context, load etl.Load) (int64, error) {
	return func(_ context.Context, load etl.Load) (int64, error) {
		var sum int64
		for _, f := range load.Files {
			n, err := countIn(files, f.Location+suffix)
			if err != nil {
				return 0, fmt.Errorf("count of %s: %w", f.Location, err)
			}
			if sum += n; sum < 0 {
				return 0, etl.WithOutcome(etl.Terminal, errors.New("the counts are too large"))
			}
		}
		return sum, nil
	}
}

func countIn(files fs.FS, name string) (int64, error) {
	if !fs.ValidPath(name) {
		return 0, etl.WithOutcome(etl.Terminal, fs.ErrInvalid)
	}
	f, err := files.Open(name)
	if err != nil {
		return 0, err
	}
	defer func() { _ = f.Close() }()
	text, err := io.ReadAll(io.LimitReader(f, 64))
	if err != nil {
		return 0, err
	}
	n, err := strconv.ParseInt(string(bytes.TrimSpace(text)), 10, 64)
	if err != nil || n < 0 {
		return 0, etl.WithOutcome(etl.Terminal, errors.New("the file is not one number"))
	}
	return n, nil
}

// Fresh holds where the newest moment in the column is no older than within when the
// load begins. Times without a zone, and dates, count as UTC. A load without a moment
// holds.
func Fresh(column string, within time.Duration) etl.Check {
	made := check{named("fresh", column), etl.SpanLoad, func(target etl.Target) (start, error) {
		at, col, err := position(target, column)
		if err != nil {
			return nil, err
		}
		if col.Type != etl.Timestamp && col.Type != etl.TimestampTZ && col.Type != etl.Date {
			return nil, fmt.Errorf("column %s is of type %v, not a moment", column, col.Type)
		}
		return func(_ context.Context, scope etl.CheckScope) (etl.Checker, error) {
			var newest time.Time
			var some bool
			return &whole{
				look: func(b arrow.RecordBatch) error {
					if t, ok := latest(b.Column(at)); ok && (!some || t.After(newest)) {
						newest, some = t, true
					}
					return nil
				},
				verdict: func(etl.Counts) etl.Verdict {
					if !some {
						return etl.Verdict{OK: true, Column: column, Finding: "no row tells a moment"}
					}
					age := scope.Now.Sub(newest)
					return etl.Verdict{OK: age <= within, Column: column, Finding: fmt.Sprintf("the newest is %v old, at most %v expected", age.Round(time.Second), within)}
				},
			}, nil
		}, nil
	}}
	return declared{made, "fresh", func(_ context.Context, scope etl.CheckScope) (options, error) {
		return options{"column": column, "within": int64(within), "within_text": within.String(), "now": scope.Now.UTC().Format(time.RFC3339Nano)}, nil
	}}
}

// latest returns the newest moment of an array.
func latest(col arrow.Array) (newest time.Time, some bool) {
	for row := range col.Len() {
		if col.IsNull(row) {
			continue
		}
		var t time.Time
		switch c := col.(type) {
		case *array.Timestamp:
			t = time.UnixMicro(int64(c.Value(row)))
		case *array.Date32:
			t = c.Value(row).ToTime()
		default:
			return newest, false
		}
		if !some || t.After(newest) {
			newest, some = t, true
		}
	}
	return newest, some
}

// Volume holds where the load has between low and high times as many rows as the
// median of the last loads of its kind, of which it looks at so many, of at most the
// hundred that it is told of. With fewer than three of them it holds.
func Volume(low, high float64, loads int) etl.Check {
	var valid error
	if !(low >= 0 && high >= low) || math.IsInf(high, 0) || loads < 3 {
		valid = errors.New("it needs factors of which the first is not greater than the second, and at least three loads")
	}
	made := counting("volume", valid, func(_ context.Context, scope etl.CheckScope) (func(etl.Counts) etl.Verdict, error) {
		past := volumes(scope, loads)
		return func(c etl.Counts) etl.Verdict {
			if len(past) < 3 {
				return etl.Verdict{OK: true, Finding: fmt.Sprintf("%d rows, and only %d loads to compare with", c.Read, len(past))}
			}
			median := float64(past[len(past)/2]+past[(len(past)-1)/2]) / 2
			rows := float64(c.Read)
			return etl.Verdict{
				OK:      rows >= low*median && rows <= high*median,
				Finding: fmt.Sprintf("%d rows, %g to %g times the median of %g expected", c.Read, low, high, median),
			}
		}, nil
	})
	return declared{made, "volume", func(_ context.Context, scope etl.CheckScope) (options, error) {
		return options{"low": low, "high": high, "past": volumes(scope, loads)}, nil
	}}
}

// volumes are the numbers of rows of the last loads of the load's kind, sorted.
func volumes(scope etl.CheckScope, loads int) []int64 {
	past := []int64{}
	for _, p := range scope.Past {
		if p.Kind == scope.Load.Kind && len(past) < loads {
			past = append(past, p.Receipt.Counts.Read)
		}
	}
	slices.Sort(past)
	return past
}

// DistinctCounter counts distinct values, exactly or by estimate. Insert does not
// hold on to the value.
type DistinctCounter interface {
	Insert(value []byte)
	Estimate() uint64
}

// DistinctBy holds where the column has at least least and at most most distinct
// values in the load, as counted by a new counter for each load; a negative most is
// no limit. Package hllcheck has a counter. Where the counter is no
// [etl.Declarer] the check runs in Go only.
func DistinctBy(column string, least, most int64, counter func() DistinctCounter) etl.Check {
	made := check{named("distinct", column), etl.SpanLoad, func(target etl.Target) (start, error) {
		at, _, err := position(target, column)
		switch {
		case err != nil:
			return nil, err
		case most >= 0 && least > most:
			return nil, errors.New("no number lies between its limits")
		case counter == nil:
			return nil, errors.New("it needs a counter")
		}
		return func(context.Context, etl.CheckScope) (etl.Checker, error) {
			values := counter()
			return &whole{
				look: func(b arrow.RecordBatch) error {
					_, err := each(b, []int{at}, func(value []byte) bool {
						values.Insert(value)
						return true
					})
					return err
				},
				verdict: func(etl.Counts) etl.Verdict {
					n := int64(min(values.Estimate(), math.MaxInt64))
					return etl.Verdict{
						OK: n >= least && (most < 0 || n <= most), Column: column,
						Finding: fmt.Sprintf("about %d distinct values, %s expected", n, limits(least, most)),
					}
				},
			}, nil
		}, nil
	}}
	if counter == nil {
		return made
	}
	d, ok := counter().(etl.Declarer)
	if !ok {
		return made
	}
	return declared{made, "distinct", func(context.Context, etl.CheckScope) (options, error) {
		decl, err := d.Declare()
		return options{"column": column, "least": least, "most": most, "counter": decl}, err
	}}
}
