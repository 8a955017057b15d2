package catalogsink

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/apache/arrow-go/v18/parquet"
	"github.com/apache/arrow-go/v18/parquet/compress"
	"github.com/apache/arrow-go/v18/parquet/pqarrow"
	"github.com/google/uuid"

	"github.com/tidemark-data/etl"
)

// orderBook holds the orders of keys that the table's rows do not show. They are
// kept in a Parquet file beside the table, which the snapshot's summary and the
// table's properties name; readers of the table never see it. Each load that
// changes them writes a new file; files that no retained snapshot names are
// clean-up's to remove ([Sink.CleanSideFiles]).
type orderBook struct {
	w       *work
	schema  *arrow.Schema // key columns, order, at
	enabled bool
	path    string // of the file read, then of the file written
	changed bool
	old     []remembered
	fresh   []arrow.RecordBatch
}

// remembered is a batch of the file read. Rows in gone have expired or are
// settled anew.
type remembered struct {
	rec  arrow.RecordBatch
	gone bits
}

func openMemory(ctx context.Context, w *work) (*orderBook, error) {
	m := &orderBook{w: w, enabled: len(w.target.OrderBy) > 0 && w.target.TombstoneRetention > 0}
	fields := make([]arrow.Field, 0, len(w.target.Key)+2)
	for _, name := range w.target.Key {
		i := w.target.Columns.Index(name)
		if i < 0 {
			return nil, terminal(fmt.Errorf("table %s: no key column %s", w.target.Name, name))
		}
		fields = append(fields, arrow.Field{Name: "key." + name, Type: w.target.Columns[i].Type.Arrow()})
	}
	fields = append(fields, arrow.Field{Name: "order", Type: arrow.BinaryTypes.Binary},
		arrow.Field{Name: "at", Type: &arrow.TimestampType{Unit: arrow.Microsecond, TimeZone: "UTC"}})
	m.schema = arrow.NewSchema(fields, nil)
	if !m.enabled || w.load.Kind == etl.Full || w.past.memory == "" {
		return m, nil
	}
	m.path = w.past.memory
	if err := m.read(ctx); err != nil {
		return nil, fmt.Errorf("table %s: remembered orders: %w", w.target.Name, err)
	}
	return m, nil
}

func (m *orderBook) read(ctx context.Context) error {
	in, err := openParquet(m.w.fs, m.path)
	if err != nil {
		return err
	}
	defer in.close()
	cols := make([]readColumn, m.schema.NumFields())
	for i, f := range m.schema.Fields() {
		cols[i] = m.column(in, f)
		if in.column(cols[i]) < 0 {
			return terminal(fmt.Errorf("%s has no column %s; was the key changed?", m.path, f.Name))
		}
	}
	oldest := arrow.Timestamp(m.w.sink.opts.Now().Add(-m.w.target.TombstoneRetention).UnixMicro())
	for rg := range in.NumRowGroups() {
		err := in.read(ctx, rg, cols, func(_ int64, got []arrow.Array) error {
			n := got[0].Len()
			gone := newBits(int64(n))
			for i, at := range got[len(got)-1].(*array.Timestamp).TimestampValues() {
				if at < oldest {
					gone.set(int64(i))
					m.changed = true
				}
			}
			m.old = append(m.old, remembered{array.NewRecordBatch(m.schema, got, int64(n)), gone})
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// column is that of the file for a field: a key column may have been renamed since.
func (m *orderBook) column(in *parquetFile, f arrow.Field) readColumn {
	c := readColumn{id: -2, name: f.Name, want: f.Type}
	if ev := m.w.target.Evolution; ev != nil && in.column(c) < 0 {
		for former, name := range ev.Renamed {
			if was := (readColumn{id: -2, name: "key." + former, want: f.Type}); "key."+name == f.Name && in.column(was) >= 0 {
				return was
			}
		}
	}
	return c
}

// recall returns what is remembered of the part's keys. From then on
// [orderBook.remember] has the say about them.
func (m *orderBook) recall(part *etl.Part) ([]etl.Memory, error) {
	var out []etl.Memory
	for _, r := range m.old {
		n := int(r.rec.NumRows())
		ordinals := make([]int32, n)
		if err := part.Find(r.rec.Columns()[:len(m.w.target.Key)], ordinals); err != nil {
			return nil, err
		}
		orders := r.rec.Column(len(m.w.target.Key)).(*array.Binary)
		for i, o := range ordinals {
			if o < 0 || r.gone.has(int64(i)) {
				continue
			}
			out = append(out, etl.Memory{Ordinal: o, Order: slices.Clone(orders.Value(i))})
			r.gone.set(int64(i))
			m.changed = true
		}
	}
	return out, nil
}

func (m *orderBook) remember(ctx context.Context, part *etl.Part, news []etl.Memory) error {
	if len(news) == 0 || !m.enabled {
		return nil
	}
	b := array.NewRecordBuilder(memory.DefaultAllocator, arrow.NewSchema([]arrow.Field{
		{Name: "row", Type: arrow.PrimitiveTypes.Int32}, m.schema.Field(m.schema.NumFields() - 2), m.schema.Field(m.schema.NumFields() - 1),
	}, nil))
	defer b.Release()
	now := arrow.Timestamp(m.w.sink.opts.Now().UnixMicro())
	for _, n := range news {
		b.Field(0).(*array.Int32Builder).Append(n.Ordinal)
		b.Field(1).(*array.BinaryBuilder).Append(n.Order)
		b.Field(2).(*array.TimestampBuilder).Append(now)
	}
	facts := b.NewRecordBatch()
	defer facts.Release()
	rec, err := m.pick(ctx, part.Keys().Columns(), facts.Column(0), facts.Columns()[1:])
	if err != nil {
		return err
	}
	m.fresh, m.changed = append(m.fresh, rec), true
	return nil
}

// pick takes rows of the first columns and sets the others beside them.
func (m *orderBook) pick(ctx context.Context, from []arrow.Array, rows arrow.Array, beside []arrow.Array) (arrow.RecordBatch, error) {
	cols := make([]arrow.Array, 0, m.schema.NumFields())
	defer func() {
		for _, c := range cols {
			c.Release()
		}
	}()
	for _, c := range from {
		picked, err := take(ctx, c, rows)
		if err != nil {
			return nil, fmt.Errorf("remember orders: %w", err)
		}
		cols = append(cols, picked)
	}
	for _, c := range beside {
		c.Retain()
		cols = append(cols, c)
	}
	return array.NewRecordBatch(m.schema, cols, int64(rows.Len())), nil
}

// write writes what is to be remembered from now on and sets the path of it.
func (m *orderBook) write(ctx context.Context) error {
	if !m.changed {
		return nil
	}
	recs := slices.Clone(m.fresh)
	for _, r := range m.old {
		kept, err := m.kept(ctx, r)
		if err != nil {
			return err
		}
		if kept != nil {
			recs = append(recs, kept)
		}
	}
	if m.path = ""; len(recs) == 0 {
		return nil
	}
	path := m.w.sink.sideFolder(m.w.tbl.Location(), m.w.target.Name) + "/memory-" + digest(m.w.load.ID) + "-" + uuid.NewString() + ".parquet"
	m.w.staged = append(m.w.staged, path)
	out, err := m.w.fs.Create(path)
	if err != nil {
		return fmt.Errorf("remember orders: create %s: %w", path, err)
	}
	if err := errors.Join(encodeMemory(out, m.schema, recs), out.Close()); err != nil {
		return fmt.Errorf("remember orders: write %s: %w", path, err)
	}
	m.path = path
	return nil
}

func (m *orderBook) kept(ctx context.Context, r remembered) (arrow.RecordBatch, error) {
	b := array.NewInt32Builder(memory.DefaultAllocator)
	defer b.Release()
	for i := range int(r.rec.NumRows()) {
		if !r.gone.has(int64(i)) {
			b.Append(int32(i))
		}
	}
	if b.Len() == 0 {
		return nil, nil
	}
	rows := b.NewArray()
	defer rows.Release()
	return m.pick(ctx, r.rec.Columns(), rows, nil)
}

func encodeMemory(out interface{ Write([]byte) (int, error) }, schema *arrow.Schema, recs []arrow.RecordBatch) error {
	props := parquet.NewWriterProperties(parquet.WithCompression(compress.Codecs.Zstd), parquet.WithCompressionLevel(1),
		parquet.WithDataPageVersion(parquet.DataPageV1), parquet.WithDictionaryDefault(false))
	// A plain io.Writer: the Parquet writer closes what can be closed.
	fw, err := pqarrow.NewFileWriter(schema, &counter{w: out}, props, pqarrow.NewArrowWriterProperties(pqarrow.WithStoreSchema()))
	if err != nil {
		return err
	}
	for _, r := range recs {
		if err := fw.WriteBuffered(r); err != nil {
			return errors.Join(err, fw.Close())
		}
	}
	return fw.Close()
}

// sideFolder is where the side files of a table are.
func (s *Sink) sideFolder(location, name string) string {
	side := s.opts.SideLocation
	if side == "" {
		location = strings.TrimRight(location, "/")
		side = location[:strings.LastIndexByte(location, '/')+1] + ".tidemark"
	}
	return strings.TrimRight(side, "/") + "/" + digest(name)
}

func digest(s string) string {
	h := sha256.Sum256([]byte(s))
	return hex.EncodeToString(h[:8])
}

// sideGrace is how old a side file must be before it can be an orphan: the
// commit that names a younger one may be under way.
const sideGrace = 24 * time.Hour
