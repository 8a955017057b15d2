package pages

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/parquet"
	"github.com/apache/arrow-go/v18/parquet/metadata"
	"github.com/apache/arrow-go/v18/parquet/schema"
)

const (
	magic = "PAR1"
	// maxGroups is how many row groups a file can have: their ordinal is an i16
	// (RowGroup in parquet.thrift).
	maxGroups = math.MaxInt16
)

// ErrRefused means that a schema, a setting or an array is beyond what Writer
// writes, or that pages do not fit together.
var ErrRefused = errors.New("refused by the Parquet writer")

// Writer writes a file of top-level columns. One goroutine uses it at a time.
// After an error it refuses everything but Release.
//
// Rows wait as compressed pages until their row group is full. A column may
// begin with a dictionary, which is given up when it does not pay.
type Writer struct {
	out    *tally
	schema *schema.Schema
	props  *parquet.WriterProperties
	meta   *metadata.FileMetaDataBuilder
	blooms metadata.FileBloomFilterBuilder
	pool   *Pool

	cols   []*column
	rows   int64 // of the row group that Write fills
	group  *Group
	groups int
	err    error
}

// NewWriter begins a file. These of the properties count: codec and level,
// dictionaries and their greatest size, the encoding of columns without
// dictionary (PLAIN, DELTA_BINARY_PACKED for integers or BYTE_STREAM_SPLIT),
// statistics and their greatest size, Bloom filters, the size and version of
// data pages, rows of a row group, and the name of the writer. pool is shared
// by writers whose files follow or accompany each other; nil is a pool of one.
// Release must be called in the end.
func NewWriter(out io.Writer, sc *schema.Schema, props *parquet.WriterProperties, pool *Pool) (*Writer, error) {
	if !littleEndian() {
		return nil, fmt.Errorf("%w: big-endian machine", ErrRefused)
	}
	if pool == nil {
		pool = NewPool()
	}
	w := &Writer{out: &tally{w: out}, schema: sc, props: props, pool: pool}
	w.meta = metadata.NewFileMetadataBuilder(sc, props, nil)
	w.blooms.Schema = sc
	for i := range sc.NumColumns() {
		col, err := newColumn(sc.Column(i), props)
		if err != nil {
			w.Release()
			return nil, err
		}
		col.store = pool.store()
		w.cols = append(w.cols, col)
	}
	if _, err := io.WriteString(w.out, magic); err != nil {
		w.Release()
		return nil, err
	}
	return w, nil
}

// Write appends rows. Columns are matched by position; times and timestamps
// must have the unit of the schema. The batch is not kept.
func (w *Writer) Write(rec arrow.RecordBatch) error {
	if err := w.ready(); err != nil {
		return err
	}
	if int(rec.NumCols()) != len(w.cols) {
		return w.fail(fmt.Errorf("%w: rows have %d columns, expected %d", ErrRefused, rec.NumCols(), len(w.cols)))
	}
	tools := w.pool.tools()
	defer w.pool.putTools(tools)
	total := int(rec.NumRows())
	for from := 0; from < total; {
		to := from + int(min(int64(total-from), w.limit()-w.rows))
		for i, col := range w.cols {
			if err := col.write(tools, rec.Column(i), from, to); err != nil {
				return w.fail(err)
			}
		}
		w.rows += int64(to - from)
		from = to
		if w.rows >= w.limit() {
			if err := w.endRows(tools); err != nil {
				return w.fail(err)
			}
		}
	}
	return nil
}

func (w *Writer) limit() int64 { return max(1, w.props.MaxRowGroupLength()) }

func (w *Writer) ready() error {
	if w.err == nil && w.group != nil {
		return errors.New("a row group of ready-made pages is still open")
	}
	return w.err
}

func (w *Writer) fail(err error) error {
	if w.err == nil {
		w.err = err
	}
	return err
}

// Size is about how many bytes the file would have if it ended here.
func (w *Writer) Size() int64 {
	size := w.out.n
	for _, col := range w.cols {
		size += col.size()
	}
	return size
}

// Flush ends the row group that Write is filling, if there is one.
func (w *Writer) Flush() error {
	if err := w.ready(); err != nil {
		return err
	}
	tools := w.pool.tools()
	defer w.pool.putTools(tools)
	if err := w.endRows(tools); err != nil {
		return w.fail(err)
	}
	return nil
}

// endRows writes the row group that Write has filled.
func (w *Writer) endRows(tools *tools) error {
	if w.rows == 0 {
		return nil
	}
	g, err := w.begin(w.rows)
	if err != nil {
		return err
	}
	w.rows = 0
	for _, col := range w.cols {
		if err := col.flush(tools); err != nil {
			return err
		}
		if err := g.column(tools, col); err != nil {
			return err
		}
	}
	return g.Close()
}

// Close completes the file and returns its metadata. It does not close the
// output.
func (w *Writer) Close() (*metadata.FileMetaData, error) {
	if err := w.ready(); err != nil {
		return nil, err
	}
	tools := w.pool.tools()
	defer w.pool.putTools(tools)
	meta, err := w.close(tools)
	if err != nil {
		return nil, w.fail(err)
	}
	w.err = errors.New("the Parquet file is complete")
	return meta, nil
}

func (w *Writer) close(tools *tools) (*metadata.FileMetaData, error) {
	if err := w.endRows(tools); err != nil {
		return nil, err
	}
	if err := w.blooms.WriteTo(w.out); err != nil {
		return nil, err
	}
	meta, err := w.meta.Finish()
	if err != nil {
		return nil, err
	}
	start := w.out.n
	if _, err := meta.WriteTo(w.out, nil); err != nil {
		return nil, err
	}
	if w.out.n-start > math.MaxInt32 {
		return nil, fmt.Errorf("%w: the footer is too long", ErrRefused)
	}
	tail := binary.LittleEndian.AppendUint32(nil, uint32(w.out.n-start))
	_, err = w.out.Write(append(tail, magic...))
	return meta, err
}

// Release gives the buffers back. Without Close before, the file is of no use.
func (w *Writer) Release() {
	_ = w.fail(errors.New("the Parquet writer has been released"))
	for _, col := range w.cols {
		w.pool.putStore(col.store)
		col.releaseBloom()
	}
	w.cols = nil
}

// tally counts the bytes that it passes on.
type tally struct {
	w io.Writer
	n int64
}

func (t *tally) Write(p []byte) (int, error) {
	n, err := t.w.Write(p)
	t.n += int64(n)
	return n, err
}

// Tell is the position in the file, as the metadata builders ask for it.
func (t *tally) Tell() int64 { return t.n }
