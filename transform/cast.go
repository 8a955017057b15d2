package transform

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/apache/arrow-go/v18/arrow"

	"github.com/tidemark-data/etl"
)

// CastTo is what [Cast] makes of a column.
type CastTo struct {
	Type etl.Type
	// Format is how text of dates, timestamps and binaries is read or written: as
	// in [etl.Column], but one layout only where text is written, made of 2006,
	// 01, 02, 15, 04, 05, .000, .000000, Z07:00, -07:00, T and punctuation.
	Format string
	// Zone is the IANA time zone in which timestamptz is read from text without an
	// offset, from date or from timestamp, and in which it becomes date, timestamp
	// or text of a Format; empty is UTC. From date and timestamp, a time that the
	// zone skips violates "time does not exist in the zone"; of a time that is
	// there twice the first is taken.
	Zone string
}

// Cast changes the types of columns. It is strict: a value that does not fit
// whole is a [etl.RowError], with the exceptions said here.
//
//   - string to anything: as files of text are read; from anything: the
//     canonical text (see the package's source file canonical.go), or that of Format
//   - between bool (as 0 and 1), int, long, float, double and decimal: the number
//     must stay the same. A decimal becomes the nearest double if it has at most 15
//     significant digits (float: 6); a double becomes the decimal of its canonical
//     text. Where decimals take part, the rule is "out of range or loses precision"
//   - timestamp and timestamptz to date: the time of day is cut off; date to them:
//     midnight; timestamp to timestamptz and back: the clock of Zone
//
// Rules violated are "out of range", "loses precision", "not a bool", those named
// above, and those of reading text.
func Cast(to map[string]CastTo) etl.Transformer {
	to = maps.Clone(to)
	options := map[string]any{}
	var problems []error
	for _, name := range slices.Sorted(maps.Keys(to)) {
		c := to[name]
		o := map[string]any{"type": c.Type.String()}
		if c.Format != "" {
			o["format"] = c.Format
		}
		if c.Zone != "" {
			o["zone"] = c.Zone
		}
		options[name] = o
		if _, err := time.LoadLocation(c.Zone); err != nil {
			problems = append(problems, fmt.Errorf("column %s: unknown time zone", name))
		}
	}
	return columnwise{
		decl: declared("cast", "columns", options), columns: slices.Sorted(maps.Keys(to)), invalid: errors.Join(problems...),
		out: func(name string, in etl.Type) (etl.Type, error) {
			_, err := newCaster(in, to[name])
			return to[name].Type, err
		},
		convert: func(_ context.Context, name string, col arrow.Array) (arrow.Array, error) {
			from, ok := etl.TypeOf(col.DataType())
			if !ok {
				return nil, fmt.Errorf("column %s: no column type", name)
			}
			cast, err := newCaster(from, to[name])
			if err != nil {
				return nil, err
			}
			return cast(col)
		},
	}
}

// caster casts a column.
type caster func(col arrow.Array) (arrow.Array, error)

// newCaster fails where there is no cast between the types.
func newCaster(from etl.Type, to CastTo) (caster, error) {
	_, _, decimal := to.Type.DecimalSize()
	_, _, fromDecimal := from.DecimalSize()
	switch {
	case from == etl.String && to.Type != etl.String:
		return fromText(to)
	case to.Type == etl.String:
		return toText(from, to)
	case to.Format != "":
		return nil, errors.New("a format is for text")
	case from == to.Type:
		return func(col arrow.Array) (arrow.Array, error) { col.Retain(); return col, nil }, nil
	case to.Type == etl.Bool && (from == etl.Float || from == etl.Double):
		// 0 and 1 of a measured number are no truth
	case (decimal || fromDecimal) && number(from) && number(to.Type):
		return throughText(from, to.Type)
	case number(from) && number(to.Type):
		return castNumber(to.Type), nil
	case temporal(from) && temporal(to.Type):
		return castTime(from, to)
	}
	return nil, fmt.Errorf("a %v cannot become a %v", from, to.Type)
}

func number(t etl.Type) bool {
	_, _, decimal := t.DecimalSize()
	return decimal || t == etl.Bool || t == etl.Int || t == etl.Long || t == etl.Float || t == etl.Double
}

func temporal(t etl.Type) bool { return t == etl.Date || t == etl.Timestamp || t == etl.TimestampTZ }

// writable refuses layouts whose parts other engines do not write alike.
func writable(layout string) error {
	rest := layout
	for _, part := range []string{"2006", ".000000", ".000", "Z07:00", "-07:00", "01", "02", "15", "04", "05", "T"} {
		rest = strings.Replace(rest, part, "", 1)
	}
	if strings.ContainsFunc(rest, func(r rune) bool { return r >= '0' && r <= '9' || r >= 'A' && r <= 'z' || r > 0x7e }) {
		return errors.New("format to write has a part other than 2006 01 02 15 04 05 .000 .000000 Z07:00 -07:00")
	}
	return nil
}
