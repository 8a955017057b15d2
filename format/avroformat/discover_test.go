package avroformat

import (
	"bytes"
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	etl "github.com/tidemark-data/etl"
	"github.com/tidemark-data/etl/etltest"
)

func discovered(t *testing.T, f Format, data []byte) []etl.DiscoveredColumn {
	got, known, err := f.Discover(context.Background(), input{bytes.NewReader(data)}, etl.DiscoverRequest{Location: "f.avro", Kind: etl.Full})
	require.NoError(t, err)
	require.True(t, known)
	return got
}

// TestDiscover: what is discovered can be read, in each of the types.
func TestDiscover(t *testing.T) {
	data := write(t, everyType, nil, row(1), row(2))
	got := discovered(t, Format{}, data)
	first := map[string]etl.Type{}
	for _, c := range got {
		for i, typ := range c.Types {
			rows, err := read(Format{}, data, etl.ScanRequest{Columns: wanted(c.Name, typ)})
			require.NoError(t, err, "%s as %v", c.Name, typ)
			require.Len(t, rows, 2)
			if i == 0 {
				first[c.Name] = typ
			}
		}
	}
	require.Len(t, got, 19)
	require.Equal(t, map[string]etl.Type{
		"b": etl.Bool, "i": etl.Int, "l": etl.Long, "f": etl.Float, "d": etl.Double, "dec": etl.Decimal(6, 2), "day": etl.Date, "at": etl.Timestamp,
		"atz": etl.TimestampTZ, "nano": etl.TimestampTZ, "s": etl.String, "e": etl.String, "e2": etl.String, "bin": etl.Binary, "id": etl.UUID,
		"raw": etl.Binary, "micro": etl.Timestamp, "zoned": etl.TimestampTZ,
	}, first)
}

func TestDiscoverOtherLogicalTypes(t *testing.T) {
	got := discovered(t, Format{}, write(t, `{"type":"record","name":"r","fields":[
		{"name":"noon","type":{"type":"int","logicalType":"time-millis"}}, {"name":"none","type":"null"}, {"name":"deep","type":{"type":"array","items":"int"}}]}`, nil))
	require.Equal(t, []etl.DiscoveredColumn{{Name: "noon"}, {Name: "none", Empty: true}, {Name: "deep"}}, got)
}

func TestDiscoverEvents(t *testing.T) {
	got := discovered(t, Format{Events: true}, write(t, `{"type":"record","name":"e","fields":[
		{"name":"before","type":["null",{"type":"record","name":"row","fields":[{"name":"id","type":"int"},{"name":"n","type":["null","string"]}]}]},
		{"name":"after","type":["null","row"]}, {"name":"op","type":"string"},
		{"name":"source","type":{"type":"record","name":"s","fields":[{"name":"lsn","type":["null","long"]}]}}]}`, nil))
	require.Equal(t, []etl.DiscoveredColumn{
		{Name: "id", Types: []etl.Type{etl.Int, etl.Long}}, {Name: "n", Types: []etl.Type{etl.String}},
		{Name: "__op", Types: []etl.Type{etl.String}, Envelope: true},
		{Name: "__source_lsn", Types: []etl.Type{etl.Long, etl.String}, Envelope: true},
		{Name: "__before_id", Types: []etl.Type{etl.Int, etl.Long}, Envelope: true},
		{Name: "__before_n", Types: []etl.Type{etl.String}, Envelope: true},
	}, got)
}

func TestDiscoverRefusesOtherFiles(t *testing.T) {
	_, _, err := Format{}.Discover(context.Background(), input{bytes.NewReader([]byte("id,n\n"))}, etl.DiscoverRequest{Location: "f.avro"})
	require.Equal(t, etl.Terminal, etl.OutcomeOf(err))
	require.ErrorContains(t, err, "f.avro")
}

func TestAvroTablesEvolve(t *testing.T) {
	lake := etltest.New(t, etl.Table{
		Name: "shop.items", Key: []string{"id"}, Format: Format{},
		Contract: etl.Contract{New: etl.Evolve, Type: etl.Evolve, Missing: etl.Evolve, Else: etl.ElseString},
		Columns:  etl.Columns{{Name: "id", Type: etl.Int}, {Name: "n", Type: etl.Int}},
	})
	land := func(name, fields string, rec map[string]any) {
		lake.Land("shop/items/"+name, string(write(t, `{"type":"record","name":"r","fields":[`+fields+`]}`, nil, rec)))
		lake.Ingest()
	}
	land("LOAD00000001.csv", `{"name":"id","type":"int"},{"name":"n","type":"int"}`, map[string]any{"id": 1, "n": 2})
	land("20240220-110825123.csv", `{"name":"id","type":"long"},{"name":"day","type":["null",{"type":"int","logicalType":"date"}]}`,
		map[string]any{"id": int64(1) << 40, "day": 19773})
	land("20240220-110826123.csv", `{"name":"id","type":"int"},{"name":"n","type":"double"}`, map[string]any{"id": 1, "n": 2.5})
	lake.Want("shop.items", etltest.Rows{{1, 2, nil, "2.5"}, {int64(1) << 40, nil, "2024-02-20", nil}})
}
