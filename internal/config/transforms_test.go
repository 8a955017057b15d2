package config_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tidemark-data/etl"
	"github.com/tidemark-data/etl/internal/config"
	"github.com/tidemark-data/etl/transform"
	"github.com/tidemark-data/etl/transform/celtransform"
	"github.com/tidemark-data/etl/transform/nfctransform"
)

const chainTable = `source: {dir: landing}
state: state.db
warehouse: lake
layout: {dms: {}}
tables:
  - name: a.b
    key: id
    columns: {id: string, n: long, s: string, at: timestamptz, flag: bool}
    transforms:
`

func chainOf(t *testing.T, items ...string) []etl.Transformer {
	c, err := config.Parse("tidemark.yaml", []byte(chainTable+"      - "+strings.Join(items, "\n      - ")+"\n"))
	require.NoError(t, err, items)
	return c.Tables[0].Transforms
}

// TestTransformsAsInGo: each transform written in YAML is the one made in Go.
func TestTransformsAsInGo(t *testing.T) {
	csv := transform.LookupCSV{Path: "codes.csv", Cols: etl.Columns{{Name: "code", Type: etl.String}, {Name: "label", Type: etl.String}}}
	for yaml, inGo := range map[string]etl.Transformer{
		`rename: {s: t, n: m}`:      transform.Rename(map[string]string{"s": "t", "n": "m"}),
		`select: [s, id]`:           transform.Select("s", "id"),
		`drop: s`:                   transform.Drop("s"),
		`reorder: [at, s]`:          transform.Reorder("at", "s"),
		`trim: [s, id]`:             transform.Trim("s", "id"),
		`nfc: [s]`:                  nfctransform.NFC("s"),
		`default: {n: "0", s: "-"}`: transform.Default(map[string]string{"n": "0", "s": "-"}),
		`cast: {n: int, at: {type: string, format: "2006-01-02", zone: Europe/Berlin}}`: transform.Cast(map[string]transform.CastTo{
			"n": {Type: etl.Int}, "at": {Type: etl.String, Format: "2006-01-02", Zone: "Europe/Berlin"},
		}),
		`normalize: {columns: s, trim: true, collapse: true, case: lower, empty_to_null: true}`: transform.Normalize(
			transform.Normal{Trim: true, Collapse: true, Case: transform.CaseLower, EmptyToNull: true}, "s"),
		`constant: {column: c, type: "decimal(4,2)", value: "1.50"}`: transform.Constant("c", etl.Decimal(4, 2), "1.50"),
		`derive: {column: c, expr: "n * 2 + size(s)"}`:               celtransform.Derive("c", "n * 2 + size(s)"),
		`where: "flag == false"`:                                     celtransform.Where("flag == false"),
		`mask: {column: s, keep_last: 4}`:                            transform.Mask("s", transform.MaskRule{KeepLast: 4}),
		`mask: {column: s, fixed: "***"}`:                            transform.Mask("s", transform.MaskRule{Fixed: "***"}),
		`mask: {column: s, format: true}`:                            transform.Mask("s", transform.MaskRule{Format: true}),
		`tokenize: {column: id, key: env:NAME}`:                      transform.Tokenize(transform.Tokens{Column: "id", Keys: transform.EnvKey("NAME", "")}),
		`tokenize: {column: s, domain: person.email, key: "file:key.txt", key_id: k2, encoding: hex, key_id_column: k}`: transform.Tokenize(transform.Tokens{
			Column: "s", Domain: "person.email", Keys: transform.FileKey("key.txt", "k2"), Encoding: "hex", KeyIDColumn: "k",
		}),
		`hash: {column: h, of: [n, s]}`: transform.HashJoin("h", "n", "s"),
		`lookup: {file: codes.csv, columns: {code: string, label: string}, on: {s: code}, take: {l: label}, miss: default, defaults: {l: "?"}, refresh: 1h}`: transform.Lookup(transform.LookupOptions{
			Source: csv, On: []transform.LookupOn{{Column: "s", Source: "code"}},
			Take: []transform.LookupTake{{Source: "label", As: "l", Default: "?"}}, Miss: transform.MissDefault, Refresh: time.Hour,
		}),
		`lookup: {table: sales.codes, columns: {code: string, label: string}, on: {s: code}, take: {l: label}}`: transform.Lookup(transform.LookupOptions{
			Source: transform.LookupTable{Name: "sales.codes", Cols: csv.Columns()}, On: []transform.LookupOn{{Column: "s", Source: "code"}},
			Take: []transform.LookupTake{{Source: "label", As: "l"}},
		}),
		`json: {column: s, fields: {a.b: string, "c[0]": {type: date, as: d, format: 01/02/2006}}}`: transform.ParseJSON("s",
			transform.JSONField{Path: "a.b", Type: etl.String}, transform.JSONField{Path: "c[0]", Name: "d", Type: etl.Date, Format: "01/02/2006"}),
		`flatten: {column: s, separator: "-", fields: {geo.lat: double}}`: transform.Flatten("s", "-", transform.JSONField{Path: "geo.lat", Type: etl.Double}),
	} {
		columns := etl.Columns{
			{Name: "id", Type: etl.String, Required: true}, {Name: "n", Type: etl.Long}, {Name: "s", Type: etl.String},
			{Name: "at", Type: etl.TimestampTZ}, {Name: "flag", Type: etl.Bool},
		}
		_, err := inGo.Schema(columns.Schema())
		require.NoError(t, err, yaml)
		require.JSONEq(t, declaration(t, inGo), declaration(t, chainOf(t, yaml)[0]), yaml)
		kind, _, _ := strings.Cut(yaml, ":")
		require.Contains(t, declaration(t, inGo), `"kind":"`+strings.Replace(kind, "flatten", "json", 1)+`"`)
	}
}

func declaration(t *testing.T, tr etl.Transformer) string {
	d, err := tr.(etl.Declarer).Declare()
	require.NoError(t, err)
	text, err := json.Marshal(d)
	require.NoError(t, err)
	return string(text)
}

func TestMistakesInTransformsNameTheLine(t *testing.T) {
	for items, text := range map[string]string{
		"drop: s\n      - renmae: {a: b}":                  "tidemark.yaml:11: tables[0].transforms[1].renmae: unknown transform; known are cast, constant",
		"drop: [s, x]":                                     "tidemark.yaml:10: tables[0].transforms[0].drop: drop: no column x",
		"drop: s\n      - trim: s":                         "tidemark.yaml:11: tables[0].transforms[1].trim: trim: no column s",
		"mask: {column: s, keep: 4}":                       "keep: unknown key; known are column, fixed, format, keep_last",
		"mask: {column: s}":                                "takes one of keep_last",
		"cast: {n: lnog}":                                  `type "lnog" is not`,
		"cast: {flag: date}":                               "a bool cannot become a date",
		"where: 'flag == fasle'":                           "position 9: undeclared reference to 'fasle'",
		"tokenize: {column: s, key: \"secret0123456789\"}": "is not env:NAME or file:PATH",
		"drop: s\n        trim: id":                        "has 2 keys; each transform is an item of its own",
		"default: {n: x}":                                  "column n: value of the declaration: not a long",
		"select: []":                                       "names no columns",
		"drop: id":                                         "key column id does not come through",
	} {
		_, err := config.Parse("tidemark.yaml", []byte(chainTable+"      - "+items+"\n"))
		require.ErrorContains(t, err, text, items)
		require.NotContains(t, err.Error(), "secret0123456789")
	}
}
