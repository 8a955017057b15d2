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
		return &dateLayoutBuilder{layouts: layouts}, nil
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
	return &timestampLayoutBuilder{timestampBuilder: b, layouts: layouts}, nil
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
	if len(text) != 10 {
		return "not a date"
	}
	days, ok := parseDate(text)
	if !ok {
		return "not a date"
	}
	b.add(arrow.Date32(days))
	return ""
}

func (b *dateBuilder) NewArray() arrow.Array { return b.newArray(arrow.FixedWidthTypes.Date32) }

type dateLayoutBuilder struct {
	dateBuilder
	layouts []string
}

func (b *dateLayoutBuilder) Append(text []byte) string {
	t, ok := parseLayouts(b.layouts, text, time.UTC)
	if !ok {
		return "not a date"
	}
	y, m, d := t.Date()
	b.add(arrow.Date32(civilDays(y, int(m), d)))
	return ""
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
	c, rest, ok := parseClock(text)
	if !ok {
		return b.not()
	}
	if len(rest) == 0 {
		b.add(arrow.Timestamp(c.in(b.zone)))
		return ""
	}
	offset, ok := parseOffset(rest)
	switch {
	case !ok:
		return b.not()
	case !b.tz:
		return "timestamp has an offset"
	}
	b.add(arrow.Timestamp(c.in(time.UTC) - int64(offset)*1e6))
	return ""
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
	layouts []string
}

func (b *timestampLayoutBuilder) Append(text []byte) string {
	t, ok := parseLayouts(b.layouts, text, b.zone)
	if !ok {
		return b.not()
	}
	b.add(arrow.Timestamp(t.UnixMicro()))
	return ""
}

func parseLayouts(layouts []string, text []byte, zone *time.Location) (time.Time, bool) {
	s := string(text)
	for _, l := range layouts {
		if t, err := time.ParseInLocation(l, s, zone); err == nil {
			return t, true
		}
	}
	return time.Time{}, false
}
