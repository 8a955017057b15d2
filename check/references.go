package check

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/apache/arrow-go/v18/arrow"

	"github.com/tidemark-data/etl"
)

// ReferencesLimit is how many rows the table may have that [References] refers to; it
// takes some 40 bytes of memory for each while the load is checked.
const ReferencesLimit = 20_000_000

// References holds where the values of the columns are those of a row of another
// table, in the columns that there correspond to them and are of the same types, and
// refuses the others; rows with a null in one of them are passed over. The other
// table is read once for each load, and for loads that are staged file by file once
// in ten minutes. It needs a sink that is an [etl.Scanner].
func References(columns []string, table string, others []string) etl.Check {
	cache := &referenced{}
	made := check{named("references", columns...), etl.SpanRow, func(target etl.Target) (start, error) {
		at, err := positions(target, columns)
		if err != nil {
			return nil, err
		}
		if len(columns) == 0 || len(columns) != len(others) {
			return nil, errors.New("it needs as many columns of one table as of the other")
		}
		types := make([]etl.Type, len(at))
		for i, c := range at {
			types[i] = target.Columns[c].Type
		}
		return func(ctx context.Context, scope etl.CheckScope) (etl.Checker, error) {
			known, err := cache.get(ctx, scope, table, others, types)
			if err != nil {
				return nil, err
			}
			return &rows{column: strings.Join(columns, ", "), rule: "refer to no row of " + table, refuse: func(_ context.Context, b arrow.RecordBatch) ([]int, error) {
				return each(b, at, func(value []byte) bool {
					_, ok := known.seen[known.of(value)]
					return ok
				})
			}}, nil
		}, nil
	}}
	return declared{made, "references", fixed(options{"columns": columns, "table": table, "others": others})}
}

// knownKeys are the values that may be referred to.
type knownKeys struct {
	hashes
	seen map[hash]struct{}
}

// referenced keeps the values between the files of a staged load.
type referenced struct {
	mu    sync.Mutex
	load  string
	since time.Time
	keys  *knownKeys
}

const referencedFor = 10 * time.Minute

func (r *referenced) get(ctx context.Context, scope etl.CheckScope, table string, columns []string, types []etl.Type) (*knownKeys, error) {
	if scope.Tables == nil {
		return nil, etl.WithOutcome(etl.Terminal, errors.New("the sink does not let tables be read"))
	}
	if !scope.Load.Staged {
		return readKeys(ctx, scope.Tables, table, columns, types)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.keys != nil && r.load == scope.Load.ID && time.Since(r.since) < referencedFor {
		return r.keys, nil
	}
	r.keys = nil
	since := time.Now()
	keys, err := readKeys(ctx, scope.Tables, table, columns, types)
	if err == nil {
		r.load, r.since, r.keys = scope.Load.ID, since, keys
	}
	return keys, err
}

func readKeys(ctx context.Context, tables etl.Scanner, table string, columns []string, types []etl.Type) (*knownKeys, error) {
	known := &knownKeys{newHashes(), map[hash]struct{}{}}
	for batch, err := range tables.Scan(ctx, table, columns...) {
		if err == nil {
			err = known.gather(batch, columns, types)
		}
		if err == nil && len(known.seen) > ReferencesLimit {
			err = etl.WithOutcome(etl.Terminal, fmt.Errorf("it has more than %d rows", ReferencesLimit))
		}
		if err != nil {
			return nil, fmt.Errorf("table %s: %w", table, err)
		}
	}
	return known, nil
}

func (k *knownKeys) gather(batch arrow.RecordBatch, columns []string, types []etl.Type) error {
	at := make([]int, len(columns))
	for i, name := range columns {
		found := batch.Schema().FieldIndices(name)
		if len(found) != 1 {
			return etl.WithOutcome(etl.Terminal, fmt.Errorf("it has no column %s", name))
		}
		at[i] = found[0]
		if dt := batch.Column(at[i]).DataType(); !arrow.TypeEqual(dt, types[i].Arrow()) {
			return etl.WithOutcome(etl.Terminal, fmt.Errorf("its column %s is of type %v, expected %v", name, dt, types[i]))
		}
	}
	_, err := each(batch, at, func(value []byte) bool {
		k.seen[k.of(value)] = struct{}{}
		return true
	})
	return err
}
