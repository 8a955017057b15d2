package avroformat

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	etl "github.com/tidemark-data/etl"
)

const plainRow = `{"type":"record","name":"r","fields":[{"name":"id","type":"long"},{"name":"s","type":["null","string"]}]}`

// broken is a file of 12 records, three to a block, of which record 5 cannot be decoded:
// the number of its branch in the union is one that there is not.
func broken(t *testing.T) []byte {
	var recs []any
	for n := range 12 {
		recs = append(recs, map[string]any{"id": int64(n + 1), "s": fmt.Sprintf("text %d", n+1)})
	}
	data := write(t, plainRow, nil, recs...)
	at := bytes.Index(data, []byte("text 5"))
	require.Positive(t, at)
	data[at-2] = 0x7e
	return data
}

// tolerantly returns good rows and bad ones.
func tolerantly(t *testing.T, data []byte, sel func(int64) bool) (good []int64, bad []string, err error) {
	req := etl.ScanRequest{Location: "f.avro", Columns: wanted("id", etl.Long, "s", etl.String), Select: sel, Tolerant: true}
	for rows, err := range (Format{}).Scan(context.Background(), input{bytes.NewReader(data)}, req) {
		if err != nil {
			return good, bad, err
		}
		good = append(good, rows.Numbers...)
		for _, b := range rows.Bad {
			require.Equal(t, b.Number, b.Err.Row)
			bad = append(bad, b.Err.Error())
		}
	}
	return good, bad, nil
}

func TestRestOfABlockIsSetAside(t *testing.T) {
	data := broken(t)
	good, bad, err := tolerantly(t, data, nil)
	require.NoError(t, err)
	require.Equal(t, []int64{1, 2, 3, 4, 7, 8, 9, 10, 11, 12}, good)
	require.Equal(t, []string{"row 5 of f.avro: record cannot be decoded",
		"row 6 of f.avro: stands in its block behind a record that cannot be decoded"}, bad)

	_, err = read(Format{}, data, etl.ScanRequest{Columns: wanted("id", etl.Long)})
	require.EqualError(t, err, "row 5 of f.avro: record cannot be decoded")
	others, err := read(Format{}, data, etl.ScanRequest{Columns: wanted("id", etl.Long), Select: func(row int64) bool { return row != 5 && row != 6 }})
	require.NoError(t, err, "nobody wants them")
	require.Len(t, others, 10)
	_, err = read(Format{}, data, etl.ScanRequest{Columns: wanted("id", etl.Long), Select: func(row int64) bool { return row == 6 }})
	require.EqualError(t, err, "row 6 of f.avro: "+behind)
}

func TestBytesOfTheRestOfABlock(t *testing.T) {
	data := broken(t)
	var got []string
	req := etl.ScanRequest{Location: "f.avro", Columns: wanted("id", etl.Long, "s", etl.String), Select: func(row int64) bool { return row >= 4 && row <= 7 }}
	for rec, err := range (Format{}).Raw(context.Background(), input{bytes.NewReader(data)}, req) {
		require.NoError(t, err)
		got = append(got, fmt.Sprintf("%d %s", rec.Number, rec.Data))
	}
	from := bytes.Index(data, []byte("text 5")) - 3
	until := bytes.Index(data, []byte("text 6")) + len("text 6")
	rest := base64.StdEncoding.EncodeToString(data[from:until])
	require.Equal(t, []string{`4 {"id":4,"s":"text 4"}`, `5 {"avro_block":"` + rest + `"}`, `6 {"avro_block":null}`, `7 {"id":7,"s":"text 7"}`}, got)
	require.True(t, json.Valid([]byte(got[1][2:])))
	_, err := read(Format{}, nil, etl.ScanRequest{})
	require.Error(t, err)
}

func TestBlocksThatCannotBeDecompressed(t *testing.T) {
	for name, codec := range codecs(t) {
		if codec == nil {
			continue
		}
		var recs []any
		for n := range 9 {
			recs = append(recs, map[string]any{"id": int64(n + 1), "s": bytes.NewBuffer(bytes.Repeat([]byte{'x'}, 100)).String()})
		}
		data := write(t, plainRow, codec, recs...)
		sync := data[len(data)-16:]
		second := bytes.Index(data, sync) + 16
		second += bytes.Index(data[second:], sync) + 16 // behind the first block
		end := second + bytes.Index(data[second:], sync)
		for i := second + 4; i < end; i++ {
			data[i] = 0xff
		}
		good, bad, err := tolerantly(t, data, nil)
		require.NoError(t, err, name)
		require.Equal(t, []int64{1, 2, 3, 7, 8, 9}, good, name)
		require.Len(t, bad, 3, name)
	}
}

func TestBrokenFramesFailTheFile(t *testing.T) {
	data := broken(t)
	for cut := 1; cut < 40; cut++ {
		_, _, err := tolerantly(t, data[:len(data)-cut], nil)
		require.ErrorContains(t, err, "row 10 of f.avro: record cannot be decoded", "cut %d", cut)
	}
	data[len(data)-1] ^= 1
	_, _, err := tolerantly(t, data, nil)
	require.ErrorContains(t, err, "row 10 of f.avro: record cannot be decoded")
}
