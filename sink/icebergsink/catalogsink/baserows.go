package catalogsink

import (
	"context"

	"github.com/apache/iceberg-go"

	"github.com/tidemark-data/etl"
)

// baseWriter writes rows of the full load anew, into files of their own, which get
// the full load's data sequence number: their rows stay below all changes. Its methods
// take nil where there is none.
type baseWriter struct {
	rows  *rowWriter
	files []iceberg.DataFile
}

// writeBase writes the rows of the full load that a part changes.
func (w *work) writeBase(ctx context.Context, res *etl.Resolution) error {
	for batch, err := range res.BaseRows(ctx) {
		if err != nil {
			return err
		}
		if w.again == nil {
			rows, err := w.newRowWriter(ctx, false)
			if err != nil {
				return err
			}
			w.again = &baseWriter{rows: rows}
		}
		if err := w.again.rows.write(batch); err != nil {
			return err
		}
	}
	return nil
}

func (b *baseWriter) written() []iceberg.DataFile {
	if b == nil {
		return nil
	}
	return b.files
}

func (b *baseWriter) close() (err error) {
	if b == nil {
		return nil
	}
	b.rows.end()
	b.files, err = b.rows.close()
	return err
}

func (b *baseWriter) abort() {
	if b != nil {
		b.rows.abort()
	}
}
