package transform

import (
	"fmt"
	"math"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/tidemark-data/etl"
)

const (
	outOfRange = "out of range"
	precision  = "loses precision"
)

// castNumber casts between bool, int, long, float and double.
func castNumber(to etl.Type) caster {
	return func(col arrow.Array) (arrow.Array, error) {
		switch a := col.(type) {
		case *array.Float32:
			return fromDouble(a, to, func(i int) float64 { return float64(a.Value(i)) })
		case *array.Float64:
			return fromDouble(a, to, a.Value)
		case *array.Int32:
			return fromLong(a, to, func(i int) int64 { return int64(a.Value(i)) })
		case *array.Int64:
			return fromLong(a, to, a.Value)
		case *array.Boolean:
			return fromLong(a, to, func(i int) int64 {
				if a.Value(i) {
					return 1
				}
				return 0
			})
		}
		return nil, fmt.Errorf("no number of type %v", col.DataType())
	}
}

func fromLong(a arrow.Array, to etl.Type, value func(int) int64) (arrow.Array, error) {
	switch to {
	case etl.Bool:
		return toBool(a, value)
	case etl.Int:
		return mapFixed(a, to, func(i int) (int32, string) {
			v := value(i)
			return int32(v), unless(v == int64(int32(v)), outOfRange)
		})
	case etl.Float:
		return mapFixed(a, to, func(i int) (float32, string) {
			v := value(i)
			f := float32(v)
			return f, unless(f < 1<<63 && int64(f) == v, precision)
		})
	case etl.Double:
		return mapFixed(a, to, func(i int) (float64, string) {
			v := value(i)
			f := float64(v)
			return f, unless(f < 1<<63 && int64(f) == v, precision)
		})
	}
	return mapFixed(a, to, func(i int) (int64, string) { return value(i), "" })
}

func fromDouble(a arrow.Array, to etl.Type, value func(int) float64) (arrow.Array, error) {
	whole := func(i int) (int64, string) {
		v := value(i)
		switch {
		case math.IsNaN(v) || v < -1<<63 || v >= 1<<63:
			return 0, outOfRange
		case v != math.Trunc(v):
			return 0, precision
		}
		return int64(v), ""
	}
	switch to {
	case etl.Double:
		return mapFixed(a, to, func(i int) (float64, string) { return value(i), "" })
	case etl.Float:
		return mapFixed(a, to, func(i int) (float32, string) {
			v := value(i)
			f := float32(v)
			return f, unless(float64(f) == v || math.IsNaN(v), precision)
		})
	case etl.Int:
		return mapFixed(a, to, func(i int) (int32, string) {
			v, rule := whole(i)
			if rule == "" {
				rule = unless(v == int64(int32(v)), outOfRange)
			}
			return int32(v), rule
		})
	case etl.Long:
		return mapFixed(a, to, whole)
	}
	return nil, fmt.Errorf("a %v cannot become a %v", a.DataType(), to)
}

func toBool(a arrow.Array, value func(int) int64) (arrow.Array, error) {
	b := array.NewBooleanBuilder(memory.DefaultAllocator)
	defer b.Release()
	b.Reserve(a.Len())
	for i := range a.Len() {
		switch {
		case a.IsNull(i):
			b.AppendNull()
		case value(i) == 0 || value(i) == 1:
			b.Append(value(i) == 1)
		default:
			return nil, badValue(i, "not a bool")
		}
	}
	return b.NewArray(), nil
}

func unless(ok bool, rule string) string {
	if ok {
		return ""
	}
	return rule
}

// mapFixed makes a column of values of fixed width, for which f is called unless
// they are null.
func mapFixed[T arrow.FixedWidthType](a arrow.Array, to etl.Type, f func(i int) (T, string)) (arrow.Array, error) {
	values := make([]T, a.Len())
	nulls := a.NullN() > 0
	for i := range values {
		if nulls && a.IsNull(i) {
			continue
		}
		v, rule := f(i)
		if rule != "" {
			return nil, badValue(i, rule)
		}
		values[i] = v
	}
	data := array.NewData(to.Arrow(), len(values), []*memory.Buffer{
		validityOf(a), memory.NewBufferBytes(arrow.GetBytes(values)),
	}, nil, a.NullN(), 0)
	defer data.Release()
	return array.MakeFromData(data), nil
}

const (
	dayMicros = 86_400_000_000
	maxDays   = math.MaxInt64 / dayMicros
)

// castTime casts between date, timestamp and timestamptz.
func castTime(from etl.Type, to CastTo) (caster, error) {
	zone, err := time.LoadLocation(to.Zone)
	if err != nil {
		return nil, fmt.Errorf("unknown time zone")
	}
	if from == etl.Timestamp && to.Type == etl.Date || from == etl.Date && to.Type == etl.Timestamp {
		zone = time.UTC
	}
	if from == etl.Date {
		return func(col arrow.Array) (arrow.Array, error) {
			a := col.(*array.Date32)
			return mapFixed(col, to.Type, func(i int) (arrow.Timestamp, string) {
				days := int64(a.Value(i))
				if days > maxDays || days < -maxDays {
					return 0, outOfRange
				}
				v, rule := instant(days*dayMicros, zone)
				return arrow.Timestamp(v), rule
			})
		}, nil
	}
	return func(col arrow.Array) (arrow.Array, error) {
		a := col.(*array.Timestamp)
		switch to.Type {
		case etl.Date:
			return mapFixed(col, to.Type, func(i int) (arrow.Date32, string) {
				days := floorDiv(local(int64(a.Value(i)), zone), dayMicros)
				return arrow.Date32(days), ""
			})
		case etl.Timestamp:
			return mapFixed(col, to.Type, func(i int) (arrow.Timestamp, string) {
				return arrow.Timestamp(local(int64(a.Value(i)), zone)), ""
			})
		}
		return mapFixed(col, to.Type, func(i int) (arrow.Timestamp, string) {
			v, rule := instant(int64(a.Value(i)), zone)
			return arrow.Timestamp(v), rule
		})
	}, nil
}

// local returns what the clock of a zone shows at an instant.
func local(micros int64, zone *time.Location) int64 {
	if zone == time.UTC {
		return micros
	}
	return micros + offset(micros, zone)
}

func offset(micros int64, zone *time.Location) int64 {
	_, seconds := time.UnixMicro(micros).In(zone).Zone()
	return int64(seconds) * 1e6
}

// instant returns the first time at which the clock of a zone shows this.
func instant(micros int64, zone *time.Location) (int64, string) {
	if zone == time.UTC {
		return micros, ""
	}
	before, after := offset(micros-dayMicros, zone), offset(micros+dayMicros, zone)
	for _, o := range []int64{max(before, after), min(before, after)} {
		if offset(micros-o, zone) == o {
			return micros - o, ""
		}
	}
	return 0, "time does not exist in the zone"
}

func floorDiv(a, b int64) int64 {
	q := a / b
	if a%b < 0 {
		q--
	}
	return q
}
