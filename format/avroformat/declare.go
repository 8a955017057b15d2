package avroformat

import (
	"errors"

	etl "github.com/tidemark-data/etl"
)

var _ etl.Declarer = Format{}

// Declare implements [etl.Declarer]. The form is of kind "avro" and has every option
// with its default filled in.
func (f Format) Declare() (etl.Declaration, error) {
	f = f.withDefaults()
	if f.MaxBlockBytes < 0 {
		return etl.Declaration{}, etl.WithOutcome(etl.Terminal, errors.New("avro format: the limit of blocks must not be negative"))
	}
	return etl.Declaration{Kind: "avro", Options: map[string]any{
		"events": f.Events, "unavailable": f.Unavailable, "any_zone": f.AnyZone, "max_block_bytes": f.MaxBlockBytes,
	}}, nil
}
