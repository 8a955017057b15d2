package celtransform_test

import (
	"context"
	"fmt"

	"github.com/tidemark-data/etl"
	"github.com/tidemark-data/etl/transform"
	"github.com/tidemark-data/etl/transform/celtransform"
)

var crimes = transform.LookupRows{
	Cols: etl.Columns{{Name: "id", Type: etl.Long}, {Name: "arrest", Type: etl.Bool}, {Name: "offense", Type: etl.String}},
	Rows: [][]string{{"1", "false", "THEFT"}, {"2", "true", "ARSON"}, {"3", "", "THEFT"}},
}

func ExampleWhere() {
	in, _ := crimes.Load(context.Background())
	out, err := celtransform.Where("arrest == false").Transform(context.Background(), in)
	fmt.Println(out.Column(0), err)
	_, err = celtransform.Where("arest == false").Schema(in.Schema())
	fmt.Println(err)
	// Output:
	// [1] <nil>
	// where: position 1: undeclared reference to 'arest'
}

func ExampleDerive() {
	in, _ := crimes.Load(context.Background())
	kind := celtransform.Derive("kind", `coalesce(arrest, false) ? "closed" : lower(offense)`)
	out, err := kind.Transform(context.Background(), in)
	fmt.Println(out.Column(3), err)
	// Output:
	// ["theft" "closed" "theft"] <nil>
}
