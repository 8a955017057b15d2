package textconv

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/apache/arrow-go/v18/arrow"

	etl "github.com/tidemark-data/etl"
)

// newTimeBuilder returns the builder of a date, timestamp or timestamptz.
func newTimeBuilder(col etl.Column) (Builder, error) {
	layouts, err := splitLayouts(col)
	if err != nil {
		return nil, err
	}
	if col.Type == etl.Date {
		if layouts == nil {
			return &dateBuilder{}, nil
		}
		return &dateLayoutBuilder{layouts: newLayouts(layouts)}, nil
	}
	zone := time.UTC
	if col.Type == etl.TimestampTZ && col.Zone != "" {
		if zone, err = time.LoadLocation(col.Zone); err != nil {
			return nil, fmt.Errorf("time zone: %w", err)
		}
	}
	b := timestampBuilder{dt: col.Type.Arrow(), tz: col.Type == etl.TimestampTZ, zone: zone}
	if layouts == nil {
		return &b, nil
	}
	return &timestampLayoutBuilder{timestampBuilder: b, layouts: newLayouts(layouts)}, nil
}

// splitLayouts refuses layouts whose text would not say what the type wants.
func splitLayouts(col etl.Column) ([]string, error) {
	if col.Format == "" {
		return nil, nil
	}
	layouts := strings.Split(col.Format, "|")
	for _, l := range layouts {
		switch {
		case l == "":
			return nil, errors.New("format has an empty layout")
		case strings.Contains(l, "MST"):
			return nil, errors.New("format has a zone abbreviation, which does not tell the offset")
		case col.Type == etl.Timestamp && (strings.Contains(l, "Z07") || strings.Contains(l, "-07")):
			return nil, errors.New("format has an offset, but timestamp has no zone: declare timestamptz")
		}
	}
	return layouts, nil
}

type dateBuilder struct{ fixed[arrow.Date32] }

// Append reads 2006-01-02 or 2006/01/02.
func (b *dateBuilder) Append(text []byte) string {
	days, rule := toDate(text)
	if rule == "" {
		b.add(days)
	}
	return rule
}

// AppendAll implements Builder.
func (b *dateBuilder) AppendAll(text []byte, spans []Span) (int, string) {
	values := b.extend(len(spans))
	for i, s := range spans {
		if s.IsNull() {
			values[i] = 0
		} else if v, rule := toDate(s.of(text)); rule == "" {
			values[i] = v
		} else {
			return b.keep(spans, i, rule)
		}
	}
	return b.keep(spans, len(spans), "")
}

func toDate(text []byte) (arrow.Date32, string) {
	if len(text) != 10 {
		return 0, "not a date"
	}
	days, ok := quickDate(text)
	if !ok {
		days, ok = parseDate(text)
	}
	if !ok {
		return 0, "not a date"
	}
	return arrow.Date32(days), ""
}

func (b *dateBuilder) NewArray() arrow.Array { return b.newArray(arrow.FixedWidthTypes.Date32) }

type dateLayoutBuilder struct {
	dateBuilder
	layouts []layout
}

func (b *dateLayoutBuilder) Append(text []byte) string {
	days, _, ok := parseLayouts(b.layouts, text, time.UTC)
	if !ok {
		return "not a date"
	}
	b.add(arrow.Date32(days))
	return ""
}

// AppendAll implements Builder.
func (b *dateLayoutBuilder) AppendAll(text []byte, spans []Span) (int, string) {
	return appendEach(b, text, spans)
}

type timestampBuilder struct {
	fixed[arrow.Timestamp]
	dt   arrow.DataType
	tz   bool
	zone *time.Location
}

// Append reads RFC 3339 with T or a space, "-" or "/" in the date, and up to 9
// digits of a second, of which those beyond microseconds are cut off.
func (b *timestampBuilder) Append(text []byte) string {
	v, rule := b.convert(text)
	if rule == "" {
		b.add(v)
	}
	return rule
}

// AppendAll implements Builder.
func (b *timestampBuilder) AppendAll(text []byte, spans []Span) (int, string) {
	values, utc := b.extend(len(spans)), b.zone == time.UTC
	for i, s := range spans {
		if s.IsNull() {
			values[i] = 0
			continue
		}
		if utc {
			if v, ok := quickMicros(s.of(text)); ok {
				values[i] = arrow.Timestamp(v)
				continue
			}
		}
		v, rule := b.convert(s.of(text))
		if rule != "" {
			return b.keep(spans, i, rule)
		}
		values[i] = v
	}
	return b.keep(spans, len(spans), "")
}

func (b *timestampBuilder) convert(text []byte) (arrow.Timestamp, string) {
	c, rest, ok := parseClock(text)
	if !ok {
		return 0, b.not()
	}
	if len(rest) == 0 {
		return arrow.Timestamp(c.in(b.zone)), ""
	}
	offset, ok := parseOffset(rest)
	switch {
	case !ok:
		return 0, b.not()
	case !b.tz:
		return 0, "timestamp has an offset"
	}
	return arrow.Timestamp(c.in(time.UTC) - int64(offset)*1e6), ""
}

func (b *timestampBuilder) not() string {
	if b.tz {
		return "not a timestamptz"
	}
	return "not a timestamp"
}

func (b *timestampBuilder) NewArray() arrow.Array { return b.newArray(b.dt) }

type timestampLayoutBuilder struct {
	timestampBuilder
	layouts []layout
}

func (b *timestampLayoutBuilder) Append(text []byte) string {
	_, micros, ok := parseLayouts(b.layouts, text, b.zone)
	if !ok {
		return b.not()
	}
	b.add(arrow.Timestamp(micros))
	return ""
}

// AppendAll implements Builder.
func (b *timestampLayoutBuilder) AppendAll(text []byte, spans []Span) (int, string) {
	return appendEach(b, text, spans)
}
