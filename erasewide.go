package etl

import (
	"errors"
	"fmt"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
)

// keyAs makes a key column the type that the table has by now, if one of the types
// widens to the other and all values are of both.
func keyAs(a arrow.Array, want Type) (arrow.Array, error) {
	have, ok := TypeOf(a.DataType())
	switch {
	case ok && have == want:
		return a, nil
	case !ok || !promotes(have, want) && !promotes(want, have):
		return nil, fmt.Errorf("it is %v, and %v in the table", a.DataType(), want)
	}
	b := array.NewBuilder(memory.DefaultAllocator, want.Arrow())
	defer b.Release()
	for i := range a.Len() {
		if n, isInt := a.(*array.Int32); isInt {
			b.(*array.Int64Builder).Append(int64(n.Value(i)))
		} else if !narrowed(a, i, b) { // decimals in both directions
			return nil, errors.New("a key is beyond what the table's column can hold")
		}
	}
	return b.NewArray(), nil
}
