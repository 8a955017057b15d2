//go:build spark

package reading

import (
	"encoding/hex"
	"errors"
	"math"
	"strconv"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/extensions"

	"github.com/tidemark-data/etl"
)

// cellOf is a value that is not null as text, with every bit of it.
func cellOf(a arrow.Array, i int) string {
	switch a := a.(type) {
	case *array.Boolean:
		return strconv.FormatBool(a.Value(i))
	case *array.Int32:
		return strconv.Itoa(int(a.Value(i)))
	case *array.Int64:
		return strconv.FormatInt(a.Value(i), 10)
	case *array.Float32:
		return floatText(float64(a.Value(i)))
	case *array.Float64:
		return floatText(a.Value(i))
	case *array.Date32:
		return strconv.Itoa(int(a.Value(i)))
	case *array.Timestamp:
		return strconv.FormatInt(int64(a.Value(i)), 10)
	case *array.Decimal128:
		return a.Value(i).BigInt().String()
	case *array.String:
		return hex.EncodeToString([]byte(a.Value(i)))
	case *array.Binary:
		return hex.EncodeToString(a.Value(i))
	case *extensions.UUIDArray:
		id := a.Value(i)
		return hex.EncodeToString(id[:])
	}
	panic("no such column: " + a.DataType().String())
}

func floatText(v float64) string {
	if math.IsNaN(v) {
		return "nan"
	}
	return pad16(strconv.FormatUint(math.Float64bits(v), 16))
}

func pad16(s string) string { return "0000000000000000"[len(s):] + s }

// mistake is where an error was met, without its file.
type mistake struct {
	Row    int64  `json:"row"`
	Column string `json:"column"`
	Rule   string `json:"rule"`
}

func mistakeOf(err error) *mistake {
	var re *etl.RowError
	if errors.As(err, &re) {
		return &mistake{re.Row, re.Column, re.Rule}
	}
	if err != nil {
		return &mistake{Rule: "other: " + err.Error()}
	}
	return nil
}
