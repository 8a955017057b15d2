package expr

import (
	"math"
	"math/bits"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/tidemark-data/etl/transform"
)

func arithmetic(op string, t Type, args []*vector) *vector {
	out := result(t, args...)
	a, b := args[0], args[0]
	if len(args) == 2 {
		b = args[1]
	}
	for i := range out.n {
		if out.void(i) {
			continue
		}
		var r rule
		switch t {
		case Int:
			out.longs[i], r = whole(op, a.longs[i], b.longs[i])
		case Double:
			out.doubles[i], r = double(op, a.doubles[i], b.doubles[i])
		default:
			out.texts[i] = a.texts[i] + b.texts[i]
		}
		if r != 0 {
			out.fail(i, r)
		}
	}
	return out
}

func whole(op string, a, b int64) (int64, rule) {
	switch op {
	case "add":
		return checked(a+b, (a+b > a) == (b > 0))
	case "sub":
		return checked(a-b, (a-b < a) == (b > 0))
	case "mul":
		return multiply(a, b)
	case "neg":
		return checked(-a, a != math.MinInt64)
	}
	switch {
	case b == 0:
		return 0, zeroDivision
	case a == math.MinInt64 && b == -1:
		return 0, overflow
	case op == "div":
		return a / b, 0
	}
	return a % b, 0
}

func checked(v int64, ok bool) (int64, rule) {
	if !ok {
		return 0, overflow
	}
	return v, 0
}

func multiply(a, b int64) (int64, rule) {
	negative := (a < 0) != (b < 0)
	hi, lo := bits.Mul64(magnitude(a), magnitude(b))
	limit := uint64(math.MaxInt64)
	if negative {
		limit++
	}
	if hi != 0 || lo > limit {
		return 0, overflow
	}
	if negative {
		return -int64(lo), 0
	}
	return int64(lo), 0
}

func magnitude(v int64) uint64 {
	if v < 0 {
		return -uint64(v)
	}
	return uint64(v)
}

func double(op string, a, b float64) (v float64, r rule) {
	switch op {
	case "add":
		v = a + b
	case "sub":
		v = a - b
	case "mul":
		v = a * b
	case "div":
		v = a / b
	default:
		v = -a
	}
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return 0, notFinite
	}
	return v, 0
}

// functions set row i of out to what they make of the arguments.
var functions = map[string]func(out *vector, args []*vector, i int){
	"size":       func(out *vector, a []*vector, i int) { out.longs[i] = int64(utf8.RuneCountInString(a[0].texts[i])) },
	"contains":   func(out *vector, a []*vector, i int) { out.bools[i] = strings.Contains(a[0].texts[i], a[1].texts[i]) },
	"startsWith": func(out *vector, a []*vector, i int) { out.bools[i] = strings.HasPrefix(a[0].texts[i], a[1].texts[i]) },
	"endsWith":   func(out *vector, a []*vector, i int) { out.bools[i] = strings.HasSuffix(a[0].texts[i], a[1].texts[i]) },
	"lower": func(out *vector, a []*vector, i int) {
		out.texts[i] = strings.Map(transform.CaseLower.Map, a[0].texts[i])
	},
	"upper": func(out *vector, a []*vector, i int) {
		out.texts[i] = strings.Map(transform.CaseUpper.Map, a[0].texts[i])
	},
	"trim":      func(out *vector, a []*vector, i int) { out.texts[i] = strings.TrimSpace(a[0].texts[i]) },
	"substring": substring,
	"int":       toInt,
	"double":    func(out *vector, a []*vector, i int) { out.doubles[i] = float64(a[0].longs[i]) },
	"string":    toString,
	"year":      func(out *vector, a []*vector, i int) { out.longs[i] = int64(clock(a[0], i).Year()) },
	"month":     func(out *vector, a []*vector, i int) { out.longs[i] = int64(clock(a[0], i).Month()) },
	"day":       func(out *vector, a []*vector, i int) { out.longs[i] = int64(clock(a[0], i).Day()) },
	"hour":      func(out *vector, a []*vector, i int) { out.longs[i] = int64(clock(a[0], i).Hour()) },
	"minute":    func(out *vector, a []*vector, i int) { out.longs[i] = int64(clock(a[0], i).Minute()) },
	"second":    func(out *vector, a []*vector, i int) { out.longs[i] = int64(clock(a[0], i).Second()) },
	"date":      func(out *vector, a []*vector, i int) { out.longs[i] = floorDiv(a[0].longs[i], dayMicros) },
	"addSeconds": func(out *vector, a []*vector, i int) {
		micros, r := multiply(a[1].longs[i], 1e6)
		if r == 0 {
			out.longs[i], r = whole("add", a[0].longs[i], micros)
		}
		if r != 0 {
			out.fail(i, r)
		}
	},
	"secondsBetween": func(out *vector, a []*vector, i int) {
		micros, r := whole("sub", a[0].longs[i], a[1].longs[i])
		if out.longs[i] = micros / 1e6; r != 0 {
			out.fail(i, r)
		}
	},
	"addDays": func(out *vector, a []*vector, i int) {
		days, r := whole("add", a[0].longs[i], a[1].longs[i])
		if out.longs[i] = days; r != 0 || days != int64(int32(days)) {
			out.fail(i, overflow)
		}
	},
	"daysBetween": func(out *vector, a []*vector, i int) { out.longs[i] = a[0].longs[i] - a[1].longs[i] },
}

const dayMicros = 86_400_000_000

func floorDiv(a, b int64) int64 {
	q := a / b
	if a%b < 0 {
		q--
	}
	return q
}

func clock(v *vector, i int) time.Time {
	if v.typ == Date {
		return time.Unix(v.longs[i]*86_400, 0).UTC()
	}
	return time.UnixMicro(v.longs[i]).UTC()
}

func substring(out *vector, a []*vector, i int) {
	s, from, to := a[0].texts[i], a[1].longs[i], int64(math.MaxInt64)
	if len(a) == 3 {
		to = a[2].longs[i]
	}
	if to <= from {
		return
	}
	start, end, n := len(s), len(s), int64(0)
	for at := range s {
		if n == max(from, 0) {
			start = at
		}
		if n == to {
			end = at
			break
		}
		n++
	}
	if to > 0 && start < end {
		out.texts[i] = s[start:end]
	}
}

func toInt(out *vector, a []*vector, i int) {
	if a[0].typ == Double {
		v := math.Trunc(a[0].doubles[i])
		if math.IsNaN(v) || v < -1<<63 || v >= 1<<63 {
			out.fail(i, tooLarge)
			return
		}
		out.longs[i] = int64(v)
		return
	}
	s := a[0].texts[i]
	digits := strings.TrimPrefix(s, "-")
	if digits == "" || strings.Trim(digits, "0123456789") != "" {
		out.fail(i, notInt)
		return
	}
	v, err := strconv.ParseInt(s, 10, 64)
	if out.longs[i] = v; err != nil {
		out.fail(i, tooLarge)
	}
}

func toString(out *vector, a []*vector, i int) {
	v := a[0]
	switch v.typ {
	case Bool:
		out.texts[i] = strconv.FormatBool(v.bools[i])
	case Int:
		out.texts[i] = strconv.FormatInt(v.longs[i], 10)
	case Double:
		text, bad := transform.AppendDouble(nil, v.doubles[i])
		if out.texts[i] = string(text); bad != "" {
			out.fail(i, notFinite)
		}
	case String:
		out.texts[i] = v.texts[i]
	default:
		t := clock(v, i)
		if y := t.Year(); y < 1 || y > 9999 {
			out.fail(i, badYear)
			return
		}
		layout := map[Type]string{Date: time.DateOnly, Timestamp: "2006-01-02T15:04:05", TimestampTZ: "2006-01-02T15:04:05Z"}[v.typ]
		if v.typ != Date && t.Nanosecond() != 0 {
			layout = strings.Replace(layout, ":05", ":05.000000", 1)
		}
		out.texts[i] = t.Format(layout)
	}
}
