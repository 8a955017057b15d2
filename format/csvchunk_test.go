package format_test

import (
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	etl "github.com/tidemark-data/etl"
	"github.com/tidemark-data/etl/format"
)

// scanChunks reads a file in chunks, the last ones first, and counts their rows
// as the engine does. It returns the first error in position order.
func scanChunks(t testing.TB, f format.CSV, content string, req etl.ScanRequest, size int, known []etl.Chunk) (rows [][]string, seen []etl.Chunk, err error) {
	req.Location, req.Kind, req.ChunkBytes = "landing/file.csv", etl.Full, size
	in := input(t, content)
	defer in.Close()
	s, err := f.Chunks(t.Context(), in, req, known)
	if err != nil {
		return nil, nil, err
	}
	defer s.Close()
	type piece struct {
		rows [][]string
		n    int64
		err  error
	}
	var pieces []*piece
	var wait sync.WaitGroup
	for {
		c, nextErr := s.Next()
		if errors.Is(nextErr, io.EOF) {
			break
		}
		p := &piece{err: nextErr}
		pieces = append(pieces, p)
		if nextErr != nil {
			break
		}
		kept := c
		kept.Data = nil
		seen = append(seen, kept)
		wait.Go(func() {
			for r, err := range s.Scan(t.Context(), c) {
				if err != nil {
					p.err = err
					return
				}
				p.n += int64(len(r.Numbers))
				p.rows = append(p.rows, texts(r)...)
			}
		})
	}
	wait.Wait()
	total := int64(0)
	for i, p := range pieces {
		rows = append(rows, p.rows...)
		if p.err != nil {
			var re *etl.RowError
			if errors.As(p.err, &re) && re.Row > 0 && known == nil {
				re.Row += total
			}
			return rows, seen, p.err
		}
		seen[i].First, seen[i].Rows = total, p.n
		total += p.n
	}
	return rows, seen, nil
}

func texts(r etl.Rows) (out [][]string) {
	for i := range r.Numbers {
		var row []string
		for _, a := range r.Record.Columns() {
			if a.IsNull(i) {
				row = append(row, "NULL")
			} else {
				row = append(row, a.ValueStr(i))
			}
		}
		out = append(out, row)
	}
	return out
}

// compareChunks demands of chunks what Scan gives.
func compareChunks(t testing.TB, f format.CSV, content string, columns []etl.ScanColumn, size int) {
	want, numbers, wantErr := scan(t, f, content, etl.ScanRequest{Columns: columns})
	got, seen, err := scanChunks(t, f, content, etl.ScanRequest{Columns: columns}, size, nil)
	require.Equal(t, fmt.Sprint(wantErr), fmt.Sprint(err), "%q", content)
	require.Equal(t, fmt.Sprint(want), fmt.Sprint(got), "%q", content)
	if err != nil {
		return
	}
	odd := func(row int64) bool { return row%2 == 1 }
	again, _, err := scanChunks(t, f, content, etl.ScanRequest{Columns: columns, Select: odd}, size, seen)
	require.NoError(t, err)
	require.Len(t, again, (len(numbers)+1)/2)
	for i, r := range again {
		require.Equal(t, fmt.Sprint(want[2*i]), fmt.Sprint(r))
	}
}

func TestChunksGiveTheSameRows(t *testing.T) {
	c := format.CSV{FullColumns: []string{"a", "b"}, MaxRowBytes: 200}
	columns := cols("a:int", "b")
	for name, content := range map[string]string{
		"empty":                      "",
		"one without end":            "1,x",
		"blank lines":                "\n1,x\n\n\n2,y\n\n",
		"byte order mark":            "\ufeff1,x\n2,y\n",
		"line breaks in quotes":      "1,\"x\ny\"\n2,\"\n\n\n\"\n3,\"a\"\"\n\"\"\"\n4,d\n",
		"carriage returns":           "1,\"x\r\ny\"\r\n2,y\r\n3,z",
		"bad value":                  "1,x\n2,y\nsecret,z\n4,\"a\nb\"\n",
		"bad value after a break":    "1,\"\n\"\n2,y\n\"\n\",z\n4,q\n",
		"quote in a bare field":      "1,x\n2,y\n3,z\"z\n4,a\n5,\"b\n6,c\n",
		"text after quote":           "1,x\n2,\"y\"z\n3,\"z\n\"\n4,a\n",
		"quote never closed":         "1,x\n2,y\n3,\"z\n4,a\n5,b\n",
		"quote never closed, long":   "1,x\n2,y\n3,\"z\n" + strings.Repeat("4,a\n", 100),
		"too few fields":             "1,x\n2\n3,z\n",
		"too long":                   "1,x\n2," + strings.Repeat("y", 300) + "\n3,z\n",
		"too long and quoted":        "1,x\n2,\"" + strings.Repeat("y\n", 150) + "\"\n3,z\n",
		"too long at the end":        "1,x\n2," + strings.Repeat("y", 300),
		"as long as may be":          "1,x\n2," + strings.Repeat("y", 198) + "\n3,z\n",
		"bad in the first of many":   "x,x\n" + strings.Repeat("y,4\n", 50),
		"invalid after much":         strings.Repeat("1,abc\n", 50) + "1,\xff\n" + strings.Repeat("x,abc\n", 50),
		"quote in a long bare field": "1,x\n2," + strings.Repeat("y", 190) + "\"" + strings.Repeat("y", 190),
		"carriage return at the end": "1,x\r\n\r",
		"escaped quotes everywhere":  strings.Repeat("1,\"\"\"\"\"\"\n", 40),
	} {
		t.Run(name, func(t *testing.T) {
			for _, size := range []int{1, 2, 3, 5, 8, 13, 64, 1 << 20} {
				compareChunks(t, c, content, columns, size)
			}
		})
	}
}

func TestChunksOfCompressedText(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	var b strings.Builder
	b.WriteString("a,b\n")
	for i := range 2000 {
		fmt.Fprintf(&b, "%d,\"%s\"\n", i, strings.Repeat("x\n", r.IntN(5)))
	}
	c := format.CSV{Header: true}
	for name, content := range map[string]string{"plain": b.String(), "gzip": gzipped(t, b.String()), "zstd": zstandard(t, b.String())} {
		t.Run(name, func(t *testing.T) { compareChunks(t, c, content, cols("b", "a:int"), 1000) })
	}
}

func TestChunksOfAnotherContent(t *testing.T) {
	c := format.CSV{FullColumns: []string{"a", "b"}}
	_, seen, err := scanChunks(t, c, "1,x\n2,y\n3,z\n", etl.ScanRequest{Columns: cols("a", "b")}, 6, nil)
	require.NoError(t, err)
	require.Greater(t, len(seen), 1)
	_, _, err = scanChunks(t, c, "1,x\n", etl.ScanRequest{Columns: cols("a", "b")}, 6, seen)
	require.ErrorContains(t, err, "input ends before its size")
	_, _, err = scanChunks(t, c, gzipped(t, "1,xyz\n2,y\n3,z\n"), etl.ScanRequest{Columns: cols("a", "b")}, 6, seen)
	require.ErrorIs(t, err, etl.ErrFileChanged)
}

// FuzzCSVChunks cuts anything anywhere: chunks must give the rows and the error
// that a scan in one go gives.
func FuzzCSVChunks(f *testing.F) {
	f.Add("1,x\n2,\"y\nz\"\n", byte(0), uint8(3), true)
	f.Add("a,b\n1,\"\"\"\"\n\n2,z\"\n3,\"\n", byte('\''), uint8(1), false)
	f.Add("1,x\r\n\r\n2,\"\"y\n"+strings.Repeat("3,z\n", 30), byte(0), uint8(9), false)
	f.Fuzz(func(t *testing.T, content string, quote byte, size uint8, header bool) {
		c := format.CSV{Header: header, Quote: quote, MaxFieldBytes: 40, MaxRowBytes: 60, MaxDecompressedBytes: 1 << 20}
		if !header {
			c.FullColumns = []string{"a", "b"}
		}
		compareChunks(t, c, content, cols("a:int", "b"), int(size))
	})
}
