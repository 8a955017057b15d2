//go:build spark

package reading

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/klauspost/compress/gzip"
	"github.com/tidemark-data/etl"
	"github.com/tidemark-data/etl/format"
)

// TestLargeText reads files of which a buffer does not hold the whole, with records
// across its ends, plain and compressed, whole and broken.
func TestLargeText(t *testing.T) {
	r := newRandom(9 + *readingSeed)
	table := etl.Table{
		Name: "s.t", Key: []string{"id"}, Op: etl.OpColumn{Column: "Op", Codes: map[string]etl.Op{"U": etl.Upsert}},
		Columns: etl.Columns{{Name: "id", Type: etl.Long, Required: true}, {Name: "v", Type: etl.String}},
	}
	var csv, json bytes.Buffer
	for i := range 12_000 {
		text := strings.Repeat(pick(r, "x", "é", "y,", "z\n", `"`, "\r\n"), pick(r, 0, 3, 70, 400))
		fmt.Fprintf(&csv, "U,%d,\"%s\"%s", i, strings.ReplaceAll(text, `"`, `""`), pick(r, "\n", "\r\n"))
		fmt.Fprintf(&json, "{\"id\":%d,\"v\":%q,\"Op\":\"U\"}\n", i, strings.Map(func(c rune) rune { return max(c, ' ') }, text))
	}
	var cases []reading
	for _, f := range []struct {
		format etl.Format
		data   []byte
		wrong  string
	}{
		{format.CSV{}.ForTable(table), csv.Bytes(), "\"x\n"}, {format.CSV{MaxRowBytes: 600}.ForTable(table), csv.Bytes(), "U,,\n"},
		{format.JSONLines{}, json.Bytes(), "{]\n"}, {format.JSONLines{MaxRowBytes: 300}, json.Bytes(), "{}\n"},
	} {
		table.Format = f.format
		broken := bytes.Clone(f.data)
		copy(broken[bytes.IndexByte(broken[len(broken)*3/4:], '\n')+len(broken)*3/4+1:], f.wrong)
		var zipped bytes.Buffer
		mustWrite(gzip.NewWriter(&zipped), f.data)
		damaged := bytes.Clone(zipped.Bytes())
		damaged[len(damaged)-5] ^= 1 // the checksum
		for _, data := range [][]byte{f.data, broken, f.data[:len(f.data)*2/3], zipped.Bytes(), zipped.Bytes()[:zipped.Len()*3/4], damaged} {
			cases = append(cases, reading{table, etl.Incremental, data})
		}
	}
	both(t, r, cases, 20)
}
