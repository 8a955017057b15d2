// Package body copies and encodes what control stores keep.
package body

import (
	"encoding/base64"
	"encoding/json"
	"reflect"
	"strings"
	"time"
	"unicode/utf8"
)

// Clone returns a deep copy of v with every time in UTC. Values behind
// interfaces and in unexported fields are shared.
func Clone[T any](v T) T {
	var out T
	into(reflect.ValueOf(&out).Elem(), reflect.ValueOf(&v).Elem(), nil)
	return out
}

// Marshal encodes v as JSON without loss: encoding/json alone would replace
// the invalid UTF-8 that locations may hold.
func Marshal[T any](v T) ([]byte, error) {
	var out T
	into(reflect.ValueOf(&out).Elem(), reflect.ValueOf(&v).Elem(), armour)
	return json.Marshal(out)
}

// Unmarshal is the inverse of Marshal.
func Unmarshal[T any](data []byte) (T, error) {
	var v, out T
	if err := json.Unmarshal(data, &v); err != nil {
		return out, err
	}
	into(reflect.ValueOf(&out).Elem(), reflect.ValueOf(&v).Elem(), unarmour)
	return out, nil
}

// mark begins every string that stands for another one.
const mark = "\x00b64:"

func armour(s string) string {
	if utf8.ValidString(s) && !strings.HasPrefix(s, mark) {
		return s
	}
	return mark + base64.StdEncoding.EncodeToString([]byte(s))
}

func unarmour(s string) string {
	if enc, ok := strings.CutPrefix(s, mark); ok {
		if b, err := base64.StdEncoding.DecodeString(enc); err == nil {
			return string(b)
		}
	}
	return s
}

// into copies src to dst, which is settable and zero, sending every string
// through text unless it is nil.
func into(dst, src reflect.Value, text func(string) string) {
	switch src.Kind() {
	case reflect.String:
		s := src.String()
		if text != nil {
			s = text(s)
		}
		dst.SetString(s)
	case reflect.Pointer:
		if !src.IsNil() {
			dst.Set(reflect.New(src.Type().Elem()))
			into(dst.Elem(), src.Elem(), text)
		}
	case reflect.Slice:
		if !src.IsNil() {
			dst.Set(reflect.MakeSlice(src.Type(), src.Len(), src.Len()))
			each(dst, src, text)
		}
	case reflect.Array:
		each(dst, src, text)
	case reflect.Map:
		if !src.IsNil() {
			intoMap(dst, src, text)
		}
	case reflect.Struct:
		intoStruct(dst, src, text)
	default:
		dst.Set(src)
	}
}

func each(dst, src reflect.Value, text func(string) string) {
	for i := range src.Len() {
		into(dst.Index(i), src.Index(i), text)
	}
}

func intoMap(dst, src reflect.Value, text func(string) string) {
	dst.Set(reflect.MakeMapWithSize(src.Type(), src.Len()))
	for it := src.MapRange(); it.Next(); {
		k := reflect.New(src.Type().Key()).Elem()
		v := reflect.New(src.Type().Elem()).Elem()
		into(k, it.Key(), text)
		into(v, it.Value(), text)
		dst.SetMapIndex(k, v)
	}
}

func intoStruct(dst, src reflect.Value, text func(string) string) {
	if t, ok := reflect.TypeAssert[time.Time](src); ok {
		dst.Set(reflect.ValueOf(t.UTC()))
		return
	}
	dst.Set(src)
	for i := range src.NumField() {
		if f := dst.Field(i); f.CanSet() {
			f.SetZero()
			into(f, src.Field(i), text)
		}
	}
}
