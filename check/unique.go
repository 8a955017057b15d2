package check

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/apache/arrow-go/v18/arrow"

	"github.com/tidemark-data/etl"
	"github.com/tidemark-data/etl/internal/spill"
)

// UniqueInMemory is how many rows of a load [Unique] tells apart in memory, which
// takes some 40 bytes for each. Past it 16 bytes a row go to a temporary file.
const UniqueInMemory = 2_000_000

// Unique holds where no two rows of the load have the same values in the columns; it
// refuses the later ones. Rows with a null in one of them are passed over, and rows
// that are in the table already are not looked at. Past UniqueInMemory rows it still
// counts exactly, but refuses no single rows any more.
func Unique(columns ...string) etl.Check { return unique(UniqueInMemory, columns) }

func unique(limit int, columns []string) etl.Check {
	made := check{named("unique", columns...), etl.SpanLoad, func(target etl.Target) (start, error) {
		at, err := positions(target, columns)
		if err != nil {
			return nil, err
		}
		if len(at) == 0 {
			return nil, errors.New("it names no columns")
		}
		return func(_ context.Context, scope etl.CheckScope) (etl.Checker, error) {
			return &uniqueness{
				rows: rows{column: strings.Join(columns, ", "), rule: "are there already"},
				at:   at, limit: limit, temp: scope.TempDir, hashes: newHashes(), seen: map[hash]struct{}{},
			}, nil
		}, nil
	}}
	return declared{made, "unique", fixed(options{"columns": columns})}
}

// uniqueness is the checker of [Unique].
type uniqueness struct {
	rows
	at     []int
	limit  int
	temp   string
	hashes hashes
	seen   map[hash]struct{} // nil once they are spilled

	dir  *spill.Dir
	file *spill.File
	buf  []byte
}

// fanOut is how many partitions hashes are spilled to, of which one at a time is
// read into memory.
const fanOut = 256

// Rows implements [etl.Checker].
func (u *uniqueness) Rows(_ context.Context, batch arrow.RecordBatch) ([]int, error) {
	u.rows.seen += batch.NumRows()
	var failed error
	bad, err := each(batch, u.at, func(value []byte) bool {
		h := u.hashes.of(value)
		if u.file != nil {
			failed = cmp.Or(failed, u.put(h))
			return true
		}
		if _, twice := u.seen[h]; twice {
			return false
		}
		u.seen[h] = struct{}{}
		if len(u.seen) > u.limit {
			failed = cmp.Or(failed, u.spill())
		}
		return true
	})
	u.refused += int64(len(bad))
	return bad, errors.Join(err, failed)
}

func (u *uniqueness) put(h hash) error {
	u.buf = h.append(u.buf[:0])
	return u.file.Append(int(h[0]%fanOut), u.buf)
}

func (u *uniqueness) spill() (err error) {
	if u.dir, err = spill.Open(u.temp); err != nil {
		return err
	}
	if u.file, err = u.dir.Create(fanOut, 1<<14); err != nil {
		return err
	}
	for h := range u.seen {
		if err := u.put(h); err != nil {
			return err
		}
	}
	u.seen = nil
	return nil
}

// Verdict implements [etl.Checker].
func (u *uniqueness) Verdict(ctx context.Context, _ etl.Counts) (etl.Verdict, error) {
	if u.file == nil {
		return u.verdict(u.refused), nil
	}
	if err := u.file.Flush(); err != nil {
		return etl.Verdict{}, err
	}
	twice := u.refused
	for p := range fanOut {
		if err := ctx.Err(); err != nil {
			return etl.Verdict{}, err
		}
		n, err := u.doubles(p)
		if err != nil {
			return etl.Verdict{}, err
		}
		twice += n
	}
	return u.verdict(twice), nil
}

// doubles counts the hashes of a partition that are there more than once.
func (u *uniqueness) doubles(p int) (int64, error) {
	all := make([]hash, 0, u.file.Records(p))
	err := u.file.Each(p, func(records []byte) error {
		for ; len(records) >= hashSize; records = records[hashSize:] {
			all = append(all, readHash(records))
		}
		return nil
	})
	slices.SortFunc(all, func(a, b hash) int { return cmp.Or(cmp.Compare(a[0], b[0]), cmp.Compare(a[1], b[1])) })
	return int64(len(all) - len(slices.Compact(all))), err
}

// Close removes the temporary file.
func (u *uniqueness) Close() error {
	var err error
	if u.file != nil {
		err = u.file.Close()
	}
	if u.dir != nil {
		err = errors.Join(err, u.dir.Close())
	}
	u.file, u.dir = nil, nil
	return err
}
