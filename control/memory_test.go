package control_test

import (
	"reflect"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tidemark-data/etl"
	"github.com/tidemark-data/etl/control"
	"github.com/tidemark-data/etl/etltest"
)

func TestMemory(t *testing.T) {
	etltest.ControlStore(t, func(*testing.T) etl.ControlStore { return control.NewMemory() })
}

// Memory yields records by plain assignment, which is a deep copy only as long
// as they hold no references.
func TestRecordsAreFlat(t *testing.T) {
	var check func(reflect.Type)
	check = func(rt reflect.Type) {
		for i := range rt.NumField() {
			f := rt.Field(i)
			switch f.Type.Kind() {
			case reflect.Struct:
				if f.Type != reflect.TypeFor[time.Time]() {
					check(f.Type)
				}
			case reflect.Pointer, reflect.Slice, reflect.Map, reflect.Interface:
				require.Fail(t, "field holds a reference", f.Name)
			}
		}
	}
	check(reflect.TypeFor[etl.FileRecord]())
}
