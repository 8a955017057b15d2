package parquetformat

import (
	"errors"

	etl "github.com/tidemark-data/etl"
)

var _ etl.Declarer = Format{}

// Declare implements [etl.Declarer]. The form is of kind "parquet" and has every
// option with its default filled in.
func (f Format) Declare() (etl.Declaration, error) {
	if f.MaxFooterBytes < 0 || f.MaxPageBytes < 0 {
		return etl.Declaration{}, etl.WithOutcome(etl.Terminal, errors.New("parquet format: limits must not be negative"))
	}
	f = f.withDefaults()
	page := f.MaxPageBytes
	if page == 0 {
		page = 256 << 20
	}
	return etl.Declaration{Kind: "parquet", Options: map[string]any{
		"any_zone": f.AnyZone, "max_footer_bytes": f.MaxFooterBytes, "max_page_bytes": page,
	}}, nil
}
