// Package textconv turns text into Arrow arrays, for every format whose values
// are text.
//
// A value that cannot be converted is answered by a rule, as "not an int", which
// never quotes the value. The errors of package strconv and time do, so none of
// them leaves this package.
package textconv

import (
	"fmt"

	"github.com/apache/arrow-go/v18/arrow"

	etl "github.com/tidemark-data/etl"
)

// Builder collects the values of one column. It is not safe for concurrent use.
type Builder interface {
	// Append converts text and appends it. If text is no value of the type,
	// nothing is appended and the rule that it violates is returned, else "".
	Append(text []byte) (rule string)
	// AppendAll appends the values that lie at the spans, of which the text has
	// every byte. It stops at the first one that is no value of the type, and
	// returns how many it has appended, and the rule that the next one violates.
	AppendAll(text []byte, spans []Span) (n int, rule string)
	// AppendNull appends a null.
	AppendNull()
	// Len is the number of values since the last NewArray.
	Len() int
	// Bytes is about the memory that the values take.
	Bytes() int
	// NewArray returns the values and starts over. The array owns its memory.
	NewArray() arrow.Array
}

// New returns a builder for the column's type. Its errors are configuration
// errors: a format that the type does not have, or an unknown time zone.
func New(col etl.Column) (Builder, error) {
	b, err := newBuilder(col)
	if err != nil {
		return nil, fmt.Errorf("column %q: %w", col.Name, err)
	}
	return b, nil
}

func newBuilder(col etl.Column) (Builder, error) {
	switch col.Type {
	case etl.Date, etl.Timestamp, etl.TimestampTZ:
		return newTimeBuilder(col)
	case etl.Binary:
		return newBinaryBuilder(col.Format)
	}
	if col.Format != "" {
		return nil, fmt.Errorf("type %v has no formats", col.Type)
	}
	switch col.Type {
	case etl.Bool:
		return &boolBuilder{}, nil
	case etl.Int:
		return &intBuilder{}, nil
	case etl.Long:
		return &longBuilder{}, nil
	case etl.Float:
		return &floatBuilder{}, nil
	case etl.Double:
		return &doubleBuilder{}, nil
	case etl.String:
		return &stringBuilder{}, nil
	case etl.UUID:
		return &uuidBuilder{dt: col.Type.Arrow()}, nil
	}
	if p, s, ok := col.Type.DecimalSize(); ok {
		return newDecimalBuilder(p, s)
	}
	return nil, fmt.Errorf("type %v cannot be read from text", col.Type)
}
