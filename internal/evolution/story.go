package evolution

import (
	"context"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/stretchr/testify/require"

	etl "github.com/tidemark-data/etl"
	"github.com/tidemark-data/etl/etltest"
	"github.com/tidemark-data/etl/format"
	"github.com/tidemark-data/etl/format/parquetformat"
	"github.com/tidemark-data/etl/source"
)

// Story is a random history of files whose schema changes, and the model of what their
// table holds.
type Story struct {
	t       testing.TB
	r       *rand.Rand
	p       *producer
	props   map[string]string
	remove  bool // note is removed in the end, else kept
	full    etl.FullLoadMode
	staging etl.Staging
	version int // the newest that there is
	n       int
	now     time.Time
	brisk   bool

	bucket *source.Memory
	model  *etltest.Model
}

// NewStory begins the story of a seed, of files of Parquet or of JSON lines. props are
// the table's properties.
func NewStory(t testing.TB, seed int64, props map[string]string, parquet bool) *Story {
	r := rand.New(rand.NewPCG(uint64(seed), 7))
	s := &Story{
		t: t, r: r, props: props, remove: r.IntN(2) == 0, now: time.Date(2024, 2, 20, 11, 0, 0, 0, time.UTC), bucket: source.NewMemory(),
		p: &producer{t: t, r: r, fields: fields(parquet), parquet: parquet, seq: 100},
	}
	s.full = []etl.FullLoadMode{etl.FullReplace, etl.FullDifference}[seed/2%2]
	universe := etl.Table{Name: "shop.items", Key: []string{"id"}, OrderBy: []string{"at"}}
	for _, f := range s.p.fields {
		universe.Columns = append(universe.Columns, etl.Column{Name: f.name, Type: f.wide})
	}
	s.model = etltest.NewModel(universe)
	return s
}

// Brisk shortens the story: each step is one of the producer's next version but one.
func (s *Story) Brisk() { s.brisk = true }

// Bucket is where files land.
func (s *Story) Bucket() *source.Memory { return s.bucket }

// Grow may go on to the producer's next version, and reports whether it does.
func (s *Story) Grow() bool {
	grows := s.version < lastVersion && (s.brisk || s.r.IntN(2) == 0)
	if grows {
		s.version++
	}
	if s.brisk {
		s.version = min(s.version+1, lastVersion)
	}
	return grows
}

// More reports whether the story goes on.
func (s *Story) More() bool { return s.version < lastVersion || !s.brisk && s.r.IntN(4) > 0 }

// Next is the kind of files that land next.
func (s *Story) Next() etl.LoadKind {
	if s.r.IntN(7) == 0 {
		return etl.Full
	}
	return etl.Incremental
}

// Declared is the table as its operator declares it when the producer has reached a
// version.
func (s *Story) Declared() etl.Table {
	t := etl.Table{
		Name: "shop.items", Key: []string{"id"}, OrderBy: []string{"at"}, Op: etl.OpColumn{Column: "Op"}, Properties: s.props,
		Contract:    etl.Contract{New: etl.Evolve, Missing: etl.Evolve, Type: etl.Evolve, Null: etl.Evolve, Else: etl.ElseString},
		Format:      format.JSONLines{},
		FullLoads:   s.full,
		Staging:     s.staging,
		Maintenance: etl.Maintenance{SmallFiles: 2, DeleteRatio: 0.1, DeleteFiles: 2, Manifests: 4},
	}
	if s.p.parquet {
		t.Format = parquetformat.Format{}
	}
	for _, f := range s.p.fields {
		switch {
		case f.from > 0: // never declared
			continue
		case f.to > 0 && s.version >= f.to && s.remove:
			t.Dropped = map[string]etl.DropRule{f.name: etl.DropRemove}
			continue
		case f.to > 0 && s.version >= f.to:
			t.Dropped = map[string]etl.DropRule{f.name: etl.DropKeep}
		}
		name := f.called(s.version)
		if name != f.name || f.former != "" && s.version >= f.renamedAt {
			if name == f.name {
				t.Renamed = map[string]string{f.former: f.name}
			}
		}
		t.Columns = append(t.Columns, etl.Column{Name: name, Type: f.narrow, Required: f.name == "code"})
	}
	return t
}

// Land puts files of one kind and of several versions there.
func (s *Story) Land(kind etl.LoadKind) {
	var all []etltest.Change
	files := 1 + s.r.IntN(3)
	for range files {
		s.n++
		version := s.version
		if s.r.IntN(3) == 0 {
			version = s.r.IntN(s.version + 1)
		}
		rows := s.p.rows(kind, version)
		ext := map[bool]string{true: "parquet", false: "json"}[s.p.parquet]
		s.now = s.now.Add(time.Second)
		s.bucket.Put(location(kind, s.n, ext), s.p.file(kind, version, rows), s.now)
		for _, c := range rows {
			for i, f := range s.p.fields {
				if f.to > 0 && s.version >= f.to && kind != etl.Full { // dropped by declaration, whatever old files say
					c.Values[i] = etltest.Unsupplied{}
				} else if _, lacks := c.Values[i].(etltest.Unsupplied); f.to > 0 && s.version >= f.to || lacks && kind == etl.Full {
					c.Values[i] = nil
				}
			}
			all = append(all, c)
		}
	}
	_, err := s.model.Load(kind, all...)
	require.NoError(s.t, err)
}

// Compare compares the table of a sink with the model.
func (s *Story) Compare(ctx context.Context, sink etl.Scanner) {
	var want, got etltest.Rows
	for rec, err := range sink.Scan(ctx, "shop.items") {
		require.NoError(s.t, err)
		got = append(got, s.rows(rec)...)
	}
	for _, row := range s.model.Rows() {
		for i, f := range s.p.fields {
			if s.gone(f) {
				row[i] = nil
			}
		}
		want = append(want, row)
	}
	require.Empty(s.t, want.Diff(got))
}

// rows are those of a batch, by field of the universe.
func (s *Story) rows(rec arrow.RecordBatch) (out etltest.Rows) {
	cols := map[string]int{}
	for i, f := range rec.Schema().Fields() {
		cols[f.Name] = i
	}
	for i := range int(rec.NumRows()) {
		row := make([]any, len(s.p.fields))
		for at, f := range s.p.fields {
			col, ok := cols[f.called(s.version)]
			require.False(s.t, ok && s.gone(f), "%s was to be removed", f.name)
			if ok {
				row[at] = etltest.Cell(rec.Column(col), i)
			}
		}
		out = append(out, row)
	}
	return out
}

func (s *Story) gone(f field) bool { return f.to > 0 && s.version >= f.to && s.remove }
