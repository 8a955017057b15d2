package etltest

import (
	"fmt"
	"reflect"
	"time"
)

// filled returns a T none of whose fields is zero, with times in the zone.
func filled[T any](zone *time.Location) T {
	var v T
	n := 0
	fill(reflect.ValueOf(&v).Elem(), zone, &n)
	return v
}

func fill(v reflect.Value, zone *time.Location, n *int) {
	*n++
	switch {
	case v.Type() == reflect.TypeFor[time.Time]():
		v.Set(reflect.ValueOf(someTime.Add(time.Duration(*n) * 1000000007).In(zone)))
	case v.CanInt():
		v.SetInt(int64(*n) << 40 >> (64 - min(64, v.Type().Bits())))
	case v.CanUint():
		v.SetUint(1 + uint64(*n)%2) // kinds of loads are the only ones
	case v.Kind() == reflect.String:
		v.SetString(fmt.Sprintf("text %d \u00e9\u4e16 \"<'", *n))
	case v.Kind() == reflect.Bool:
		v.SetBool(true)
	case v.Kind() == reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fill(v.Elem(), zone, n)
	case v.Kind() == reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 2, 2))
		fill(v.Index(0), zone, n)
		fill(v.Index(1), zone, n)
	case v.Kind() == reflect.Struct:
		for i := range v.NumField() {
			if v.Field(i).CanSet() { // others are the process's own
				fill(v.Field(i), zone, n)
			}
		}
	}
}
