package pages

import (
	"math/rand/v2"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/parquet"
)

// FuzzWriter writes random rows with random settings; arrow-go must read the
// same rows.
func FuzzWriter(f *testing.F) {
	f.Add(uint64(1), uint16(10), byte(0), uint16(5), uint16(9), uint16(100), uint16(100), uint16(7))
	f.Add(uint64(2), uint16(300), byte(128), uint16(300), uint16(30), uint16(1000), uint16(300), uint16(1000))
	f.Add(uint64(3), uint16(500), byte(3), uint16(2), uint16(3), uint16(60000), uint16(60000), uint16(65535))
	f.Add(uint64(4), uint16(70), byte(255), uint16(50), uint16(300), uint16(1), uint16(1), uint16(1))
	schema := everyType()
	f.Fuzz(func(t *testing.T, seed uint64, rows uint16, nulls byte, distinct, long, page, dict, group uint16) {
		rng := rand.New(rand.NewPCG(seed, 0))
		s := shape{rows: int(rows % 1000), nulls: float64(nulls) / 255, distinct: 1 + int(distinct), long: int(long % 400)}
		version := parquet.DataPageV1
		if seed%5 == 0 {
			version = parquet.DataPageV2
		}
		props := parquetProps(parquet.WithDataPageSize(1+int64(page)), parquet.WithDictionaryPageSizeLimit(1+int64(dict)),
			parquet.WithMaxRowGroupLength(max(1+int64(group), int64(rows)/20)), parquet.WithDataPageVersion(version),
			parquet.WithDictionaryDefault(seed%3 > 0))
		recs := []arrow.RecordBatch{randomRows(rng, schema, s), randomRows(rng, schema, s)}
		cut := int64(rng.IntN(s.rows + 1))
		recs = append(recs, recs[1].NewSlice(cut, recs[1].NumRows()))
		requireRows(t, writeOwn(t, schema, props, recs...), schema, recs...)
	})
}
