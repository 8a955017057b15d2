// Package parquetformat reads Apache Parquet files with the reader of Arrow. It
// is a package of its own because that reader and its compressors are large.
package parquetformat

import (
	"context"
	"iter"

	etl "github.com/tidemark-data/etl"
)

// Format is the format of Parquet files. Columns are found by name among the
// top-level fields. A field's type must hold what the declared one holds or
// less, so that every value comes through exactly:
//
//	bool         boolean
//	int          signed integers of up to 32 bits, unsigned ones of up to 16
//	long         signed integers, unsigned ones of up to 32 bits
//	float        float16, float
//	double       float16, float, double
//	decimal(p,s) decimals of no greater scale and no more digits before the point
//	date         date
//	timestamp    timestamps that are not adjusted to UTC, in any unit
//	timestamptz  timestamps that are adjusted to UTC, in any unit; int96
//	string       string
//	binary       byte arrays, fixed or not, without annotation
//	uuid         uuid, 16 fixed bytes
//
// Any other type is bad input, and so is a timestamp that microseconds do not
// hold exactly. Nulls are delivered in Required columns too, as by the CSV
// format. The zero value is ready to use.
type Format struct {
	// AnyZone takes timestamps adjusted to UTC for timestamp columns, with
	// their time of day in UTC, and those that are not for timestamptz columns,
	// as times in UTC. Writers of the older annotations (TIMESTAMP_MILLIS,
	// TIMESTAMP_MICROS) cannot say which they mean and are read as adjusted.
	AnyZone bool
	// MaxFooterBytes limits the file's metadata; 0 is 64 MiB.
	MaxFooterBytes int64
	// MaxPageBytes limits one page when decompressed; 0 is 256 MiB.
	MaxPageBytes int64
}

var _ etl.Format = Format{}

// Partial implements [etl.Format]: a Parquet file supplies every value.
func (f Format) Partial(etl.LoadKind) bool { return false }

// Scan implements [etl.Format].
func (f Format) Scan(ctx context.Context, in etl.Input, req etl.ScanRequest) iter.Seq2[etl.Rows, error] {
	f = f.withDefaults()
	return func(yield func(etl.Rows, error) bool) {
		s := &scan{format: f, req: req, in: &input{in: in}}
		defer s.close()
		if err := s.open(ctx); err != nil {
			yield(etl.Rows{}, s.failed(ctx, err))
			return
		}
		if _, err := s.run(ctx, yield); err != nil {
			yield(etl.Rows{}, s.failed(ctx, err))
		}
	}
}

func (f Format) withDefaults() Format {
	if f.MaxFooterBytes == 0 {
		f.MaxFooterBytes = 64 << 20
	}
	return f
}
