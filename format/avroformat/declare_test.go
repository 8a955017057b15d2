package avroformat

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"

	etl "github.com/tidemark-data/etl"
)

func TestDeclare(t *testing.T) {
	for want, f := range map[string]Format{
		`{"kind":"avro","options":{"any_zone":false,"events":false,"max_block_bytes":67108864,"unavailable":false}}`: {},
		`{"kind":"avro","options":{"any_zone":true,"events":true,"max_block_bytes":5,"unavailable":true}}`:           {Events: true, Unavailable: true, AnyZone: true, MaxBlockBytes: 5},
	} {
		d, err := f.Declare()
		require.NoError(t, err)
		text, err := json.Marshal(d)
		require.NoError(t, err)
		require.JSONEq(t, want, string(text))
	}
	_, err := Format{MaxBlockBytes: -1}.Declare()
	require.Equal(t, etl.Terminal, etl.OutcomeOf(err))
}
