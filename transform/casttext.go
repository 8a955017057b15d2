package transform

import (
	"encoding/hex"
	"fmt"
	"strings"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"

	"github.com/tidemark-data/etl"
	"github.com/tidemark-data/etl/internal/textconv"
)

// fromText reads values as files of text are read.
func fromText(to CastTo) (caster, error) {
	if _, err := textBuilder(to); err != nil {
		return nil, err
	}
	return func(col arrow.Array) (arrow.Array, error) {
		s, err := asText(col)
		if err != nil {
			return nil, err
		}
		b, err := textBuilder(to)
		if err != nil {
			return nil, err
		}
		return readTexts(b, s)
	}, nil
}

func textBuilder(to CastTo) (textconv.Builder, error) {
	return textconv.New(etl.Column{Type: to.Type, Format: to.Format, Zone: to.Zone})
}

// readTexts appends all values of a column to a builder.
func readTexts(b textconv.Builder, s *array.String) (arrow.Array, error) {
	spans := make([]textconv.Span, s.Len())
	base := uint32(0)
	for i := range spans {
		n := uint32(len(s.Value(i)))
		spans[i] = textconv.Span{Start: base, End: base + n}
		base += n
		if s.IsNull(i) {
			spans[i] = textconv.Null()
		}
	}
	if at, rule := b.AppendAll(s.ValueBytes(), spans); rule != "" {
		return nil, badValue(at, rule)
	}
	return b.NewArray(), nil
}

// toText writes canonical text, or that of a format.
func toText(from etl.Type, to CastTo) (caster, error) {
	var layout string
	switch {
	case to.Format == "" && (to.Zone == "" || from != etl.TimestampTZ):
	case temporal(from):
		if layout = to.Format; layout == "" {
			return nil, fmt.Errorf("text of a zone other than UTC needs a format")
		}
		if err := writable(layout); err != nil {
			return nil, err
		}
	case from == etl.Binary && (to.Format == "hex" || to.Format == "base64"):
	default:
		return nil, fmt.Errorf("a %v has no format %q", from, to.Format)
	}
	zone, err := time.LoadLocation(to.Zone)
	if err != nil {
		return nil, fmt.Errorf("unknown time zone")
	}
	return func(col arrow.Array) (arrow.Array, error) {
		if from == etl.String {
			col.Retain()
			return col, nil
		}
		t, err := texterOf(col)
		if err != nil {
			return nil, err
		}
		switch a := col.(type) {
		case *array.Date32:
			if layout != "" {
				t = func(dst []byte, i int) ([]byte, string) { return appendTime(dst, a.Value(i).ToTime(), layout) }
			}
		case *array.Timestamp:
			if layout != "" {
				t = func(dst []byte, i int) ([]byte, string) {
					return appendTime(dst, time.UnixMicro(int64(a.Value(i))).In(zone), layout)
				}
			}
		case *array.Binary:
			if to.Format == "hex" {
				t = func(dst []byte, i int) ([]byte, string) { return hex.AppendEncode(dst, a.Value(i)), "" }
			}
		}
		return mapText(col, 16*col.Len(), t)
	}, nil
}

// throughText casts from or to decimals by way of their text.
func throughText(from, to etl.Type) (caster, error) {
	if from == etl.Bool || to == etl.Bool {
		return nil, fmt.Errorf("a %v cannot become a %v", from, to)
	}
	if _, err := textBuilder(CastTo{Type: to}); err != nil {
		return nil, err
	}
	return func(col arrow.Array) (arrow.Array, error) {
		text, err := texterOf(col)
		if err != nil {
			return nil, err
		}
		_, _, fromDecimal := from.DecimalSize()
		b, err := textBuilder(CastTo{Type: to})
		if err != nil {
			return nil, err
		}
		var buf []byte
		for i := range col.Len() {
			if col.IsNull(i) {
				b.AppendNull()
				continue
			}
			var rule string
			if buf, rule = text(buf[:0], i); rule == "" && fromDecimal {
				rule = fits(string(buf), to)
			}
			if rule == "" {
				if b.Append(trimZeros(buf)) != "" {
					rule = "out of range or loses precision"
				}
			}
			if rule != "" {
				return nil, badValue(i, rule)
			}
		}
		return b.NewArray(), nil
	}, nil
}

// trimZeros cuts zeros at the end of a fraction.
func trimZeros(text []byte) []byte {
	s := string(text)
	if !strings.Contains(s, ".") || strings.Contains(s, "e") {
		return text
	}
	return []byte(strings.TrimSuffix(strings.TrimRight(s, "0"), "."))
}

// fits checks the digits of a decimal.
func fits(text string, to etl.Type) string {
	digits := strings.TrimLeft(strings.TrimPrefix(text, "-"), "0.")
	if strings.Contains(text, ".") {
		digits = strings.TrimRight(digits, "0")
	}
	digits = strings.Replace(digits, ".", "", 1)
	most := 38
	switch to {
	case etl.Double:
		most = 15
	case etl.Float:
		most = 6
	}
	if len(digits) > most {
		return "out of range or loses precision"
	}
	return ""
}
