package etltest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/stretchr/testify/require"

	"github.com/tidemark-data/etl"
	"github.com/tidemark-data/etl/format"
	"github.com/tidemark-data/etl/internal/cells"
)

// equals publishes a staged load and applies the same one to another table.
func (s *stageTest) equals(load etl.Load) {
	s.Helper()
	name := s.table.Name
	s.table.Name = "conformance.applied"
	plain := load
	plain.Staged, plain.Table = false, s.table.Name
	want := s.apply(plain)
	rows, err := ReadRows(context.Background(), s.sink, s.table.Name)
	require.NoError(s, err)
	s.table.Name = name
	s.stageAll(load)
	got := s.publish(load)
	require.Equal(s, want.Counts, got.Counts)
	s.want(rows...)
}

// randomFull makes files with keys that come twice, in one file and in several. A key
// may have an order in one file and none in another.
func randomFull(r *rand.Rand, deletes bool) []string {
	files := make([]string, 2+r.IntN(5))
	for i := range files {
		var b bytes.Buffer
		from := r.IntN(40)
		for range 1 + r.IntN(30) {
			id, seq := from+r.IntN(20), fmt.Sprint(r.IntN(6))
			if (id+i)%5 == 0 {
				seq = ""
			}
			op := "I"
			if deletes && r.IntN(6) == 0 {
				op = "D"
			}
			fmt.Fprintf(&b, "%s,%d,n%d,%s\n", op, id, r.IntN(4), seq)
		}
		files[i] = b.String()
	}
	return files
}

func (s *stageTest) randoms(deletes bool) {
	s.table.Format = format.CSV{FullColumns: []string{"op", "id", "name", "seq"}, ChangeColumns: []string{"op", "id", "name", "seq"}}
	s.table.OldKey = nil
	for seed := range uint64(3) {
		if testing.Short() && seed == 1 {
			continue
		}
		if seed == 2 {
			s.table.OrderBy = nil
		}
		s.equals(s.staged(randomFull(rand.New(rand.NewPCG(seed, 7)), deletes)...))
	}
}

func stageEquals(s *stageTest) { s.randoms(true) }

func stageEqualsFiltered(s *stageTest) {
	s.table.Transforms = []etl.Transformer{withoutN1{}}
	s.randoms(true)
	s.budget = 1
	s.table.OrderBy = []string{"seq"}
	s.randoms(false)
}

func stageEqualsPartitioned(s *stageTest) {
	s.table.Partition = []etl.PartitionField{{Column: "name", Transform: "identity"}}
	s.randoms(true)
}

// withoutN1 drops the rows whose name is n1.
type withoutN1 struct{}

func (withoutN1) Schema(in *arrow.Schema) (*arrow.Schema, error) { return in, nil }

func (withoutN1) Transform(_ context.Context, in arrow.RecordBatch) (arrow.RecordBatch, error) {
	at := in.Schema().FieldIndices("name")
	if len(at) != 1 {
		return nil, errors.New("no column name")
	}
	var keep []int
	for i := range int(in.NumRows()) {
		if in.Column(at[0]).(*array.String).Value(i) != "n1" {
			keep = append(keep, i)
		}
	}
	return cells.Take(memory.DefaultAllocator, in, keep)
}
