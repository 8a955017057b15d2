package catalogsink

import (
	"fmt"
	"runtime/debug"
	"strconv"
	"strings"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/parquet"
	"github.com/apache/arrow-go/v18/parquet/compress"
	"github.com/apache/iceberg-go"
	"github.com/apache/iceberg-go/table"
)

const (
	// sampleRows is how many rows the choice of a file's encodings rests on.
	sampleRows = 8192

	// PropReaders is a property of a table that names the oldest reader of its
	// files, as in "iceberg>=1.11" (the version of Iceberg's own library that
	// Spark uses). From 1.10 on whole numbers, dates and times may be
	// delta-encoded, from 1.11 on floating-point numbers may be split by bytes.
	// Without it, files have plain and dictionary encodings only, which every
	// reader takes.
	PropReaders = "tidemark.readers"

	propDictionary       = "parquet.enable.dictionary"
	propColumnDictionary = "write.parquet.dict-encoding-enabled.column."
)

// encodings are the table's rules for the insides of its files.
type encodings struct {
	base      []parquet.WriterProperty
	forced    map[string]bool // by column: dictionary or not
	plain     bool            // no dictionaries but those forced
	sensitive map[string]bool
	delta     bool // readers take DELTA_BINARY_PACKED
	split     bool // and BYTE_STREAM_SPLIT
}

func newEncodings(tbl *table.Table, files *iceberg.Schema, sensitive map[string]bool) (encodings, error) {
	props := tbl.Properties()
	e := encodings{forced: map[string]bool{}, sensitive: sensitive}
	codec, ok := codecs[props.Get(table.ParquetCompressionKey, table.ParquetCompressionDefault)]
	if !ok {
		return e, terminal(fmt.Errorf("property %s: no such codec", table.ParquetCompressionKey))
	}
	version := parquet.DataPageV1
	// Iceberg's library in Java reads v1 and v2 and refuses the numbers that iceberg-go
	// writes (2026-11-21).
	switch strings.ToLower(props.Get(table.ParquetPageVersionKey, "v1")) {
	case "2", "v2":
		version = parquet.DataPageV2
	}
	number := func(key string, def int) int64 { return int64(max(1, props.GetInt(key, def))) }
	e.base = []parquet.WriterProperty{
		parquet.WithCompression(codec), parquet.WithDataPageVersion(version),
		parquet.WithCompressionLevel(props.GetInt(table.ParquetCompressionLevelKey, table.ParquetCompressionLevelDefault)),
		parquet.WithMaxRowGroupLength(number(table.ParquetRowGroupLimitKey, table.ParquetRowGroupLimitDefault)),
		parquet.WithDataPageSize(number(table.ParquetPageSizeBytesKey, table.ParquetPageSizeBytesDefault)),
		parquet.WithBatchSize(number(table.ParquetPageRowLimitKey, table.ParquetPageRowLimitDefault)),
		parquet.WithDictionaryPageSizeLimit(number(table.ParquetDictSizeBytesKey, table.ParquetDictSizeBytesDefault)),
		parquet.WithMaxBloomFilterBytes(number(table.ParquetBloomFilterMaxBytesKey, table.ParquetBloomFilterMaxBytesDefault)),
		parquet.WithDictionaryDefault(false), parquet.WithStoreDecimalAsInteger(true), parquet.WithCreatedBy(createdBy()),
	}
	e.plain = !isTrue(props.Get(propDictionary, "true"))
	for i, f := range tbl.Schema().Fields() {
		name := files.Field(i).Name
		if v, ok := props[propColumnDictionary+f.Name]; ok {
			e.forced[name] = isTrue(v)
		}
		if isTrue(props[table.ParquetBloomFilterColumnEnabledKeyPrefix+"."+f.Name]) {
			e.base = append(e.base, parquet.WithBloomFilterEnabledFor(name, true))
		}
		if sensitive[name] {
			e.base = append(e.base, parquet.WithStatsFor(name, false))
		}
	}
	var err error
	e.delta, e.split, err = readers(props[PropReaders])
	return e, err
}

// createdBy names the writer in the form that Parquet's Java readers parse:
// without it they distrust statistics.
func createdBy() string {
	const module = "github.com/tidemark-data/etl"
	version := "0.0.0"
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, m := range append(info.Deps, &info.Main) {
			if m.Path == module && strings.HasPrefix(m.Version, "v") {
				version = m.Version[1:]
			}
		}
	}
	return "tidemark version " + version
}

var codecs = map[string]compress.Compression{
	"zstd": compress.Codecs.Zstd, "snappy": compress.Codecs.Snappy, "gzip": compress.Codecs.Gzip,
	"brotli": compress.Codecs.Brotli, "lz4": compress.Codecs.Lz4Raw, "lz4raw": compress.Codecs.Lz4Raw,
	"uncompressed": compress.Codecs.Uncompressed,
}

// isTrue reads a property like Iceberg's Java writers do.
func isTrue(v string) bool { return strings.EqualFold(v, "true") }

// readers tells which encodings a declaration of readers allows (Iceberg pull
// requests 13391, 15362 and 15373).
func readers(declared string) (delta, split bool, err error) {
	if declared == "" {
		return false, false, nil
	}
	version, ok := strings.CutPrefix(strings.ReplaceAll(declared, " ", ""), "iceberg>=")
	parts := strings.Split(version, ".")
	var major, minor int
	if ok = ok && (len(parts) == 2 || len(parts) == 3); ok {
		var err1, err2 error
		major, err1 = strconv.Atoi(parts[0])
		minor, err2 = strconv.Atoi(parts[1])
		ok = err1 == nil && err2 == nil
	}
	if !ok {
		return false, false, terminal(fmt.Errorf(`property %s: %q is not of the form "iceberg>=1.11"`, PropReaders, declared))
	}
	since := func(m int) bool { return major > 1 || major == 1 && minor >= m }
	return since(10), since(11), nil
}

// properties chooses the encodings of a file by what its first rows show.
func (e *encodings) properties(p *filePlan, sample []arrow.RecordBatch) *parquet.WriterProperties {
	props := append([]parquet.WriterProperty{}, e.base...)
	for i, f := range p.schema.Fields() {
		dict, forced := e.forced[f.Name]
		if !forced {
			dict = !e.plain && f.Name != iceberg.RowIDColumnName && repeats(sample, i)
		}
		if dict {
			props = append(props, parquet.WithDictionaryFor(f.Name, true))
			continue
		}
		switch f.Type.ID() {
		case arrow.INT32, arrow.INT64, arrow.DATE32, arrow.TIMESTAMP:
			if e.delta {
				props = append(props, parquet.WithEncodingFor(f.Name, parquet.Encodings.DeltaBinaryPacked))
			}
		case arrow.FLOAT32, arrow.FLOAT64:
			if e.split {
				props = append(props, parquet.WithEncodingFor(f.Name, parquet.Encodings.ByteStreamSplit))
			}
		}
	}
	return parquet.NewWriterProperties(props...)
}

// repeats reports whether a column repeats its values so often that a
// dictionary pays: it costs time for each value, and is given up if it grows. The
// first half of the sample tells of most columns. For those with some thousand
// values the second half does, by how few of its values are new.
func repeats(sample []arrow.RecordBatch, column int) bool {
	seen := map[value]struct{}{}
	rows, half := 0, 0
	share := 8 // one row in so many may be a new value
	for _, rec := range sample {
		a := rec.Column(column)
		at := valuesOf(a)
		if at == nil {
			return false
		}
		if arrow.IsBaseBinary(a.DataType().ID()) {
			share = 2
		}
		for i := 0; i < a.Len() && rows < sampleRows; i++ {
			if rows == sampleRows/2 {
				if half = len(seen); half*share <= rows {
					return true
				} else if half*8 > rows*7 {
					return false
				}
			}
			if a.IsValid(i) {
				seen[at(i)] = struct{}{}
			}
			rows++
		}
	}
	if rows > sampleRows/2 {
		return (len(seen)-half)*share <= rows-sampleRows/2
	}
	return len(seen)*share <= rows
}
