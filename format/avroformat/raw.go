package avroformat

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"math"
	"math/big"
	"time"

	etl "github.com/tidemark-data/etl"
	"github.com/tidemark-data/etl/format"
)

var _ etl.RawFormat = Format{}

// Mended implements [etl.RawFormat]: a mended record is a line of JSON with the
// table's columns, as Raw gives it. What it lacks is null, or, in change events with
// Unavailable, unsupplied.
func (f Format) Mended() etl.Format {
	if f.Events && f.Unavailable {
		return format.JSONLines{Missing: format.MissingIsUnsupplied}
	}
	return format.JSONLines{Missing: format.MissingIsNull}
}

// Raw implements [etl.RawFormat]: a record is a JSON object of the columns wanted, in
// the values of the file, without those that the database did not log. Text that is
// not UTF-8 does not come through whole. A record that cannot be decoded is an object
// with one member, "avro_block": the bytes from there to the end of its block, in
// base64, or of them the first MiB; the records behind it in the block have none.
func (f Format) Raw(ctx context.Context, in etl.Input, req etl.ScanRequest) iter.Seq2[etl.RawRecord, error] {
	f = f.withDefaults()
	return func(yield func(etl.RawRecord, error) bool) {
		s := newScan(f, in, req)
		s.keep = func(rec any) error {
			if err := ctx.Err(); err != nil {
				return err
			}
			data, err := s.object(rec)
			if err == nil && !yield(etl.RawRecord{Number: s.row, Data: data}, nil) {
				err = errConsumer
			}
			return err
		}
		s.keepLost = func(rest []byte) error {
			data, err := json.Marshal(map[string]any{lostMember: rest[:min(len(rest), mostLost)]})
			if err == nil && !yield(etl.RawRecord{Number: s.row, Data: data}, nil) {
				err = errConsumer
			}
			return err
		}
		err := s.run(ctx, func(etl.Rows, error) bool { return true })
		if err != nil && !errors.Is(err, errConsumer) {
			yield(etl.RawRecord{}, s.failed(ctx, err))
		}
	}
}

const (
	lostMember = "avro_block"
	mostLost   = 1 << 20
)

// object writes a record as a JSON object. Of a change event that is none, there is
// what it has.
func (s *scan) object(rec any) ([]byte, error) {
	m, _ := rec.(map[string]any)
	from := sources{inRow: m}
	if s.format.Events {
		from, _ = event(m)
	}
	object := make(map[string]any, len(s.columns))
	for i := range s.columns {
		c := &s.columns[i]
		v, there := from[c.part][c.name]
		if !there || s.format.Events && isPlaceholder(v) {
			continue
		}
		object[s.req.Columns[i].Name] = c.plain(v)
	}
	return json.Marshal(object)
}

// plain is a value as JSON has it: as the table would, if it can be converted.
func (c *column) plain(v any) any {
	if v == nil {
		return nil
	}
	if c.convert != nil && c.convert(v, c.builder) == "" {
		a := c.builder.NewArray()
		defer a.Release()
		if f, ok := a.GetOneForMarshal(a.Len() - 1).(float64); !ok || !math.IsNaN(f) && !math.IsInf(f, 0) {
			return a.GetOneForMarshal(a.Len() - 1)
		}
	}
	c.builder.NewArray().Release() // of what is left in it
	switch t := v.(type) {
	case string, []byte, bool, int, int32, int64:
		return t
	case *big.Rat:
		return t.FloatString(38)
	case time.Time:
		return t.Format(time.RFC3339Nano)
	}
	return fmt.Sprint(v)
}
