package catalogsink

import (
	"testing"
	"time"

	"github.com/apache/iceberg-go"
	"github.com/apache/iceberg-go/table"
	"github.com/stretchr/testify/require"

	"github.com/tidemark-data/etl"
)

func TestPick(t *testing.T) {
	m := etl.Maintenance{TargetFileSize: 100 << 20, SmallFiles: 3, DeleteRatio: 0.5}
	size := func(mib ...int64) (out []candidate) {
		for _, s := range mib {
			out = append(out, candidate{size: s << 20, rows: 10})
		}
		return out
	}
	require.Empty(t, pick(size(1, 1), m), "too few")
	require.Equal(t, []int{0, 1, 2}, pick(size(1, 2, 3), m))
	require.Equal(t, []int{1, 2, 3}, pick(size(70, 1, 2, 3), m), "a large one is not rewritten for small ones")
	require.Equal(t, []int{1, 2, 3, 0}, pick(size(6, 1, 2, 3), m), "one of like size is")
	require.Empty(t, pick(size(76, 80, 100), m), "they are not small")
	require.Empty(t, pick(size(10, 20, 40), m), "nor are these of like size")

	all := size(90, 90, 1)
	all[1].dead, all[2].dead = 5, 4
	require.Equal(t, []int{1}, pick(all, m))
	all = size(1, 1, 1)
	all[2].dead = 5
	require.ElementsMatch(t, []int{0, 1, 2}, pick(all, m))
	m.DeleteRatio, m.SmallFiles = -1, -1
	require.Empty(t, pick(all, m))
}

// Over a thousand loads the number of files stays small, and a row is rewritten
// a few times only.
func TestPickAmplification(t *testing.T) {
	m := etl.Maintenance{}.WithDefaults()
	var files []candidate
	var landed, rewritten int64
	most := 0
	for i := range 5000 {
		c := candidate{size: int64(1+i%5) << 20, rows: 1}
		landed += c.size
		files = append(files, c)
		picked := map[int]bool{}
		var into int64
		for _, at := range pick(files, m) {
			picked[at] = true
			into += files[at].size
		}
		rewritten += into
		var left []candidate
		for at, f := range files {
			if !picked[at] {
				left = append(left, f)
			}
		}
		for ; into > 0; into -= m.TargetFileSize {
			left = append(left, candidate{size: min(into, m.TargetFileSize), rows: 1})
		}
		files = left
		small := 0
		for _, f := range files {
			if f.size < m.TargetFileSize/4*3 {
				small++
			}
		}
		most = max(most, small)
	}
	require.Less(t, most, 32)
	require.Less(t, float64(rewritten)/float64(landed), 4.0)
}

func TestStretch(t *testing.T) {
	now := time.Unix(1_700_000_000, 0)
	// chain makes snapshots of the given ages, newest first; that of the newest
	// load is at load.
	chain := func(load int, ages ...time.Duration) (out []*table.Snapshot) {
		for i, age := range ages {
			snap := &table.Snapshot{SnapshotID: int64(i), TimestampMs: now.Add(-age).UnixMilli()}
			if i >= load {
				snap.Summary = &table.Summary{Properties: iceberg.Properties{propLoad: "x"}}
			}
			out = append(out, snap)
		}
		return out
	}
	const h = time.Hour
	m := etl.Maintenance{SnapshotAge: 10 * h, KeepSnapshots: 1, MaxSnapshots: -1}
	none := table.SnapshotRef{}
	require.Equal(t, 2, stretch(chain(0, 9*h, 99*h, 199*h), none, m, now), "the second was replaced nine hours ago only")
	require.Equal(t, 1, stretch(chain(0, 11*h, 99*h), none, m, now))
	require.Equal(t, 2, stretch(chain(1, 11*h, 99*h, 199*h), none, m, now), "the newest load stays")
	require.Equal(t, 3, stretch(chain(2, 11*h, 12*h, 13*h, 14*h), none, m, now))
	m.KeepSnapshots = 3
	require.Equal(t, 3, stretch(chain(0, 11*h, 12*h, 13*h, 14*h), none, m, now))
	m.KeepSnapshots, m.MaxSnapshots = 1, 2
	require.Equal(t, 2, stretch(chain(0, 2*h, 3*h, 4*h, 5*h), none, m, now))
	require.Equal(t, 3, stretch(chain(0, 0, h/2, 2*h, 3*h), none, m, now), "an hour is for readers")
	m.MaxSnapshots = -1
	keep, age := 4, int64(20*h/time.Millisecond)
	require.Equal(t, 4, stretch(chain(0, 11*h, 12*h, 13*h, 14*h, 15*h), table.SnapshotRef{MinSnapshotsToKeep: &keep}, m, now))
	require.Equal(t, 5, stretch(chain(0, 11*h, 12*h, 13*h, 14*h, 15*h), table.SnapshotRef{MaxSnapshotAgeMs: &age}, m, now))
	require.Zero(t, stretch(nil, none, m, now))
}

func TestBitsPositions(t *testing.T) {
	b := newBits(200)
	for _, pos := range []int64{0, 63, 64, 199} {
		b.set(pos)
	}
	require.Equal(t, []int64{0, 63, 64, 199}, b.positions())
	require.Empty(t, bits(nil).positions())
}
