package avroformat_test

import (
	"bytes"
	"context"
	"fmt"

	"github.com/twmb/avro"
	"github.com/twmb/avro/ocf"

	etl "github.com/tidemark-data/etl"
	"github.com/tidemark-data/etl/format/avroformat"
	"github.com/tidemark-data/etl/source"
)

func ExampleFormat() {
	content, err := customers()
	if err != nil {
		fmt.Println(err)
		return
	}
	ctx := context.Background()
	landing := source.NewMemory()
	in, err := landing.Open(ctx, landing.Put("shop/customers/1.avro", content))
	if err != nil {
		fmt.Println(err)
		return
	}
	defer in.Close()
	req := etl.ScanRequest{Location: "shop/customers/1.avro", Kind: etl.Full, Columns: []etl.ScanColumn{
		{Column: etl.Column{Name: "id", Type: etl.Long}},
		{Column: etl.Column{Name: "since", Type: etl.Date}},
		{Column: etl.Column{Name: "email", Type: etl.String}, Optional: true},
	}}
	for rows, err := range (avroformat.Format{}).Scan(ctx, in, req) {
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println(rows.Numbers, rows.Record.Column(0), rows.Record.Column(1), rows.Record.Column(2))
	}
	// Output: [1 2] [7 8] [2024-02-20 (null)] [(null) (null)]
}

func customers() ([]byte, error) {
	schema, err := avro.Parse(`{"type":"record","name":"customer","fields":[
		{"name":"id","type":"int"}, {"name":"since","type":["null",{"type":"int","logicalType":"date"}]}]}`)
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	w, err := ocf.NewWriter(&b, schema)
	if err != nil {
		return nil, err
	}
	for _, record := range []any{map[string]any{"id": 7, "since": 19773}, map[string]any{"id": 8, "since": nil}} {
		if err := w.Encode(record); err != nil {
			return nil, err
		}
	}
	err = w.Close()
	return b.Bytes(), err
}
