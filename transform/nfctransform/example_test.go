package nfctransform_test

import (
	"context"
	"fmt"

	"github.com/apache/arrow-go/v18/arrow/array"

	"github.com/tidemark-data/etl"
	"github.com/tidemark-data/etl/transform"
	"github.com/tidemark-data/etl/transform/nfctransform"
)

func ExampleNFC() {
	names := transform.LookupRows{Cols: etl.Columns{{Name: "name", Type: etl.String}}, Rows: [][]string{{"Rene\u0301"}, {"Ren\u00e9"}}}
	in, _ := names.Load(context.Background())
	out, err := nfctransform.NFC("name").Transform(context.Background(), in)
	name := out.Column(0).(*array.String)
	fmt.Println(name.Value(0) == name.Value(1), err)
	// Output:
	// true <nil>
}
