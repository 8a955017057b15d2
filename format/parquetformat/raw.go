package parquetformat

import (
	"context"
	"encoding/json"
	"errors"
	"iter"

	"github.com/apache/arrow-go/v18/arrow"

	etl "github.com/tidemark-data/etl"
	"github.com/tidemark-data/etl/format"
)

var _ etl.RawFormat = Format{}

// Mended implements [etl.RawFormat]: a mended record is a line of JSON with the
// table's columns, as Raw gives it. What it lacks is null.
func (f Format) Mended() etl.Format { return format.JSONLines{Missing: format.MissingIsNull} }

var errStopped = errors.New("consumer stopped")

// Raw implements [etl.RawFormat]: a record is a JSON object of the columns wanted, in
// the values of the file. Text that is not UTF-8 does not come through whole.
func (f Format) Raw(ctx context.Context, in etl.Input, req etl.ScanRequest) iter.Seq2[etl.RawRecord, error] {
	f = f.withDefaults()
	return func(yield func(etl.RawRecord, error) bool) {
		s := &scan{format: f, req: req, in: &input{in: in}}
		defer s.close()
		if err := s.open(ctx); err != nil {
			yield(etl.RawRecord{}, s.failed(ctx, err))
			return
		}
		s.keep = func(numbers []int64, columns []arrow.Array, picked []int) error {
			for i, row := range picked {
				data, err := s.object(columns, row)
				if err != nil {
					return err
				}
				if !yield(etl.RawRecord{Number: numbers[i], Data: data}, nil) {
					return errStopped
				}
			}
			return nil
		}
		_, err := s.run(ctx, func(etl.Rows, error) bool { return true })
		if err != nil && !errors.Is(err, errStopped) {
			yield(etl.RawRecord{}, s.failed(ctx, err))
		}
	}
}

// object writes a row as a JSON object.
func (s *scan) object(columns []arrow.Array, row int) ([]byte, error) {
	object := make(map[string]any, len(s.columns))
	for i, c := range s.columns {
		if c.at >= 0 {
			object[s.req.Columns[i].Name] = columns[c.at].GetOneForMarshal(row)
		}
	}
	return json.Marshal(object)
}
