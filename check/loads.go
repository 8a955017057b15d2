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

// Rows holds where the files of the load have at least least and at most most rows;
// a negative most is no limit.
func Rows(least, most int64) etl.Check {
	return check{"rows", func(etl.Target) (start, error) {
		return func(context.Context, etl.CheckScope) (etl.Checker, error) {
			return &whole{verdict: func(c etl.Counts) (etl.Verdict, error) {
				limits := fmt.Sprintf("at least %d", least)
				if most >= 0 {
					limits += fmt.Sprintf(" and at most %d", most)
				}
				return etl.Verdict{OK: c.Read >= least && (most < 0 || c.Read <= most), Finding: fmt.Sprintf("%d rows, %s expected", c.Read, limits)}, nil
			}}, nil
		}, nil
	}}
}

// RowsOf holds where the files of the load have exactly the number of rows that
// expected tells: from the source's own count, or from a manifest ([CountFiles]).
func RowsOf(expected func(ctx context.Context, load etl.Load) (int64, error)) etl.Check {
	return check{"rows_of", func(etl.Target) (start, error) {
		return func(ctx context.Context, scope etl.CheckScope) (etl.Checker, error) {
			want, err := expected(ctx, scope.Load)
			if err != nil {
				return nil, err
			}
			return &whole{verdict: func(c etl.Counts) (etl.Verdict, error) {
				return etl.Verdict{OK: c.Read == want, Finding: fmt.Sprintf("%d rows, the source counts %d", c.Read, want)}, nil
			}}, nil
		}, nil
	}}
}

// CountFiles gives [RowsOf] the sum of the numbers that stand in files beside those
// of the load: of each, the file of the same location with the suffix behind it.
func CountFiles(files fs.FS, suffix string) func(ctx context.Context, load etl.Load) (int64, error) {
	return func(_ context.Context, load etl.Load) (int64, error) {
		var sum int64
		for _, f := range load.Files {
			n, err := countIn(files, f.Location+suffix)
			if err != nil {
				return 0, fmt.Errorf("count of %s: %w", f.Location, err)
			}
			sum += n
		}
		return sum, nil
	}
}

func countIn(files fs.FS, name string) (int64, error) {
	if !fs.ValidPath(name) {
		return 0, fs.ErrInvalid
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
		return 0, errors.New("the file is not one number")
	}
	return n, nil
}

// Fresh holds where the newest moment in the column is no older than within. A load
// without rows holds.
func Fresh(column string, within time.Duration) etl.Check {
	return check{"fresh", func(target etl.Target) (start, error) {
		at, col, err := position(target, column)
		if err != nil {
			return nil, err
		}
		if col.Type != etl.Timestamp && col.Type != etl.TimestampTZ && col.Type != etl.Date {
			return nil, fmt.Errorf("column %s is a %v, not a moment", column, col.Type)
		}
		return func(_ context.Context, scope etl.CheckScope) (etl.Checker, error) {
			var newest time.Time
			return &whole{
				look: func(b arrow.RecordBatch) error {
					newest = latest(newest, b.Column(at))
					return nil
				},
				verdict: func(etl.Counts) (etl.Verdict, error) {
					if newest.IsZero() {
						return etl.Verdict{OK: true, Column: column, Finding: "no row tells a moment"}, nil
					}
					age := scope.Now.Sub(newest).Round(time.Second)
					return etl.Verdict{OK: age <= within, Column: column, Finding: fmt.Sprintf("the newest is %v old, at most %v expected", age, within)}, nil
				},
			}, nil
		}, nil
	}}
}

func latest(newest time.Time, col arrow.Array) time.Time {
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
		}
		if t.After(newest) {
			newest = t
		}
	}
	return newest
}

// Volume holds where the load has between low and high times as many rows as the
// median of the last loads of its kind, of which it looks at so many. With fewer than
// three of them it holds.
func Volume(low, high float64, loads int) etl.Check {
	return check{"volume", func(etl.Target) (start, error) {
		if low < 0 || high < low || math.IsNaN(low) || math.IsNaN(high) || loads < 3 {
			return nil, errors.New("it needs factors of which the first is not greater than the second, and at least three loads")
		}
		return func(_ context.Context, scope etl.CheckScope) (etl.Checker, error) {
			var past []int64
			for _, p := range scope.Past {
				if p.Kind == scope.Load.Kind && len(past) < loads {
					past = append(past, p.Receipt.Counts.Read)
				}
			}
			return &whole{verdict: func(c etl.Counts) (etl.Verdict, error) {
				if len(past) < 3 {
					return etl.Verdict{OK: true, Finding: fmt.Sprintf("%d rows, and only %d loads to compare with", c.Read, len(past))}, nil
				}
				slices.Sort(past)
				median := float64(past[len(past)/2]+past[(len(past)-1)/2]) / 2
				rows := float64(c.Read)
				return etl.Verdict{
					OK:      rows >= low*median && rows <= high*median,
					Finding: fmt.Sprintf("%d rows, %g to %g times the median of %g expected", c.Read, low, high, median),
				}, nil
			}}, nil
		}, nil
	}}
}
