package format

import (
	"errors"
	"slices"
	"unicode/utf8"

	etl "github.com/tidemark-data/etl"
)

var (
	_ etl.Declarer = CSV{}
	_ etl.Declarer = JSONLines{}
)

// Declare implements [etl.Declarer]. The form is of kind "csv" and has every option
// with its default filled in; not_supplied is absent where it is nil, and quote is
// empty for [NoQuote]. It is an error if the format could not be scanned with, or if
// a name is not UTF-8, which the form cannot hold.
func (c CSV) Declare() (etl.Declaration, error) {
	c = c.withDefaults()
	if err := c.validate(); err != nil {
		return etl.Declaration{}, configError(err)
	}
	for _, kind := range []etl.LoadKind{etl.Full, etl.Incremental} {
		if _, err := c.columns(kind); err != nil {
			return etl.Declaration{}, configError(err)
		}
	}
	texts := append(slices.Concat(c.FullColumns, c.ChangeColumns), c.Null)
	options := map[string]any{
		"header": c.Header, "delimiter": string(rune(c.Delimiter)), "quote": string(rune(c.Quote)), "null": c.Null,
		"max_field_bytes": c.MaxFieldBytes, "max_row_bytes": c.MaxRowBytes,
		"max_decompressed_bytes": c.MaxDecompressedBytes, "max_ratio": c.MaxRatio,
	}
	if c.Quote == NoQuote {
		options["quote"] = ""
	}
	if !c.Header {
		options["full_columns"], options["change_columns"] = slices.Clone(c.FullColumns), slices.Clone(c.ChangeColumns)
	}
	if c.NotSupplied != nil {
		texts = append(texts, *c.NotSupplied)
		options["not_supplied"] = *c.NotSupplied
	}
	for _, text := range texts {
		if !utf8.ValidString(text) {
			return etl.Declaration{}, configError(errors.New("names and null texts must be UTF-8"))
		}
	}
	return etl.Declaration{Kind: "csv", Options: options}, nil
}

// Declare implements [etl.Declarer]. The form is of kind "jsonlines"; missing is
// "bad", "null" or "unsupplied".
func (j JSONLines) Declare() (etl.Declaration, error) {
	j = j.withDefaults()
	names := map[Missing]string{MissingIsBad: "bad", MissingIsNull: "null", MissingIsUnsupplied: "unsupplied"}
	missing, ok := names[j.Missing]
	if !ok || j.MaxRowBytes < 0 {
		return etl.Declaration{}, etl.WithOutcome(etl.Terminal, errors.New("jsonlines format: missing or max row bytes is out of range"))
	}
	return etl.Declaration{Kind: "jsonlines", Options: map[string]any{
		"missing": missing, "max_row_bytes": j.MaxRowBytes,
		"max_decompressed_bytes": j.MaxDecompressedBytes, "max_ratio": j.MaxRatio,
	}}, nil
}
