package transform_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"strings"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"

	"github.com/tidemark-data/etl"
	"github.com/tidemark-data/etl/transform"
)

var people = etl.Columns{
	{Name: "id", Type: etl.Long}, {Name: "name", Type: etl.String}, {Name: "phone", Type: etl.String}, {Name: "born", Type: etl.Date},
}

// show prints what transforms make of two people.
func show(transforms ...etl.Transformer) {
	showRows(people, [][]string{{"1", "  Ann  Lee ", "555-0101", "1990-05-17"}, {"2", "Bob", "", "1985-12-01"}}, transforms...)
}

// showRows prints the batch that transforms make of rows, - for null.
func showRows(columns etl.Columns, rows [][]string, transforms ...etl.Transformer) {
	rec, err := transform.LookupRows{Cols: columns, Rows: rows}.Load(context.Background())
	for i := 0; i < len(transforms) && err == nil; i++ {
		if _, err = transforms[i].Schema(rec.Schema()); err == nil {
			rec, err = transforms[i].Transform(context.Background(), rec)
		}
	}
	if err != nil {
		fmt.Println(err)
		return
	}
	var names []string
	for _, f := range rec.Schema().Fields() {
		names = append(names, f.Name)
	}
	fmt.Println(strings.Join(names, "|"))
	for i := range int(rec.NumRows()) {
		var cells []string
		for _, col := range rec.Columns() {
			cells = append(cells, strings.ReplaceAll(col.ValueStr(i), array.NullValueStr, "-"))
		}
		fmt.Println(strings.Join(cells, "|"))
	}
}

func ExampleRename() {
	show(transform.Rename(map[string]string{"born": "birthday"}), transform.Select("id", "birthday"))
	// Output:
	// id|birthday
	// 1|1990-05-17
	// 2|1985-12-01
}

func ExampleSelect() {
	show(transform.Select("born", "id"))
	// Output:
	// born|id
	// 1990-05-17|1
	// 1985-12-01|2
}

func ExampleDrop() {
	show(transform.Drop("name", "phone"))
	// Output:
	// id|born
	// 1|1990-05-17
	// 2|1985-12-01
}

func ExampleReorder() {
	show(transform.Drop("name"), transform.Reorder("born"))
	// Output:
	// born|id|phone
	// 1990-05-17|1|555-0101
	// 1985-12-01|2|-
}

func ExampleCast() {
	show(transform.Select("id", "born"), transform.Cast(map[string]transform.CastTo{
		"id":   {Type: etl.Decimal(6, 2)},
		"born": {Type: etl.String, Format: "02.01.2006"},
	}))
	show(transform.Cast(map[string]transform.CastTo{"phone": {Type: etl.Int}}))
	// Output:
	// id|born
	// 1|17.05.1990
	// 2|01.12.1985
	// row 1 of : column phone: not an int
}

func ExampleTrim() {
	show(transform.Select("name"), transform.Trim("name"))
	// Output:
	// name
	// Ann  Lee
	// Bob
}

func ExampleNormalize() {
	show(transform.Select("name"), transform.Normalize(transform.Normal{Trim: true, Collapse: true, Case: transform.CaseLower}, "name"))
	// Output:
	// name
	// ann lee
	// bob
}

func ExampleDefault() {
	show(transform.Select("id", "phone"), transform.Default(map[string]string{"phone": "unknown"}))
	// Output:
	// id|phone
	// 1|555-0101
	// 2|unknown
}

func ExampleConstant() {
	show(transform.Select("id"), transform.Constant("source", etl.String, "crm"))
	// Output:
	// id|source
	// 1|crm
	// 2|crm
}

func ExampleMask() {
	show(transform.Select("phone"), transform.Mask("phone", transform.MaskRule{KeepLast: 4}))
	show(transform.Select("phone"), transform.Mask("phone", transform.MaskRule{Format: true}))
	show(transform.Select("phone"), transform.Mask("phone", transform.MaskRule{Fixed: "hidden"}))
	// Output:
	// phone
	// ****0101
	// -
	// phone
	// 999-9999
	// -
	// phone
	// hidden
	// -
}

func ExampleTokenize() {
	keys := transform.NewStaticKeys("example", "k1", map[string][]byte{"k1": []byte("sixteen bytes or more")})
	show(transform.Select("phone"), transform.Tokenize(transform.Tokens{
		Column: "phone", Domain: "person.phone", Keys: keys, KeyID: "k1", KeyIDColumn: "phone_key",
	}))
	// Output:
	// phone|phone_key
	// yqwztjq36lvfmb4x4i6cgrg2ygikmxbzwv4nsdjwx4puiw6ko6lq|k1
	// -|-
}

func ExampleHashJoin() {
	show(transform.HashJoin("row_key", "id", "born"), transform.Select("id", "row_key"))
	// Output:
	// id|row_key
	// 1|8ba24b90ede868fc32a9717bda294839582522e779b8f3972fd378dc9bc9dddb
	// 2|44164afcfdcbcabfe3a666273fa9e2e789654e757a13a07b64a1c7607ebd7507
}

func ExampleLookup() {
	cities := transform.LookupRows{
		Cols: etl.Columns{{Name: "person", Type: etl.Long}, {Name: "city", Type: etl.String}},
		Rows: [][]string{{"1", "Boston"}, {"7", "Rome"}},
	}
	show(transform.Select("id"), transform.Lookup(transform.LookupOptions{
		Source: cities, On: []transform.LookupOn{{Column: "id", Source: "person"}},
		Take: []transform.LookupTake{{Source: "city", Default: "nowhere"}}, Miss: transform.MissDefault,
	}))
	// Output:
	// id|city
	// 1|Boston
	// 2|nowhere
}

var events = etl.Columns{{Name: "doc", Type: etl.String}}

func ExampleParseJSON() {
	showRows(events, [][]string{{`{"user": {"id": 7}, "tags": ["new"]}`}, {`{"user": {}}`}}, transform.ParseJSON("doc",
		transform.JSONField{Path: "user.id", Name: "user", Type: etl.Long},
		transform.JSONField{Path: "tags[0]", Name: "tag", Type: etl.String},
	), transform.Drop("doc"))
	// Output:
	// user|tag
	// 7|new
	// -|-
}

func ExampleFlatten() {
	showRows(events, [][]string{{`{"geo": {"lat": 41.5, "lon": -87.6}}`}}, transform.Flatten("doc", "_",
		transform.JSONField{Path: "geo.lat", Type: etl.Double}, transform.JSONField{Path: "geo.lon", Type: etl.Double},
	), transform.Drop("doc"))
	// Output:
	// doc_geo_lat|doc_geo_lon
	// 41.5|-87.6
}

func ExampleRowFunc() {
	initial := etl.Columns{{Name: "initial", Type: etl.String}}
	show(transform.RowFunc(initial, func(row transform.Row) ([]any, error) {
		name := strings.TrimSpace(row.Value("name").(string))
		if name == "" {
			return nil, errors.New("no name")
		}
		return []any{name[:1]}, nil
	}), transform.Select("id", "initial"))
	// Output:
	// id|initial
	// 1|A
	// 2|B
}

func ExampleBatchFunc() {
	show(transform.BatchFunc(func(_ context.Context, in arrow.RecordBatch) (arrow.RecordBatch, error) {
		return in.NewSlice(1, in.NumRows()), nil // the first row of each batch leaves the table
	}), transform.Select("id"))
	// Output:
	// id
	// 2
}

func ExampleFilter() {
	show(transform.Filter(func(rec arrow.RecordBatch, row int) bool { return rec.Column(2).IsValid(row) }), transform.Select("id"))
	// Output:
	// id
	// 1
}

// tables is a lake of one table, as a sink that is an [etl.Scanner] shows it.
type tables struct {
	name string
	rows transform.LookupRows
}

func (t tables) Scan(ctx context.Context, table string, _ ...string) iter.Seq2[arrow.RecordBatch, error] {
	return func(yield func(arrow.RecordBatch, error) bool) {
		if table == t.name {
			yield(t.rows.Load(ctx))
		}
	}
}

func ExampleLookupTable() {
	lake := tables{"sales.cities", transform.LookupRows{
		Cols: etl.Columns{{Name: "person", Type: etl.Long}, {Name: "city", Type: etl.String}, {Name: "zip", Type: etl.String}},
		Rows: [][]string{{"1", "Boston", "02108"}, {"7", "Rome", "00118"}},
	}}
	for _, name := range []string{"sales.cities", "sales.not_yet_there"} {
		show(transform.Select("id"), transform.Lookup(transform.LookupOptions{
			Source: transform.LookupTable{Tables: lake, Name: name, Cols: etl.Columns{{Name: "person", Type: etl.Long}, {Name: "city", Type: etl.String}}},
			On:     []transform.LookupOn{{Column: "id", Source: "person"}}, Take: []transform.LookupTake{{Source: "city"}},
		}))
	}
	// Output:
	// id|city
	// 1|Boston
	// 2|-
	// id|city
	// 1|-
	// 2|-
}
