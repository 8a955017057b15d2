package etl

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/extensions"
)

// Type is the type of a column. The zero value is no type. Decimals are made
// by [Decimal].
type Type uint32

// The column types and what they are in Arrow and in Iceberg (format spec,
// "Primitive Types").
const (
	Bool        Type = iota + 1 // bool, boolean
	Int                         // int32, int
	Long                        // int64, long
	Float                       // float32, float
	Double                      // float64, double
	Date                        // date32, date
	Timestamp                   // timestamp[us] without zone, timestamp
	TimestampTZ                 // timestamp[us, UTC], timestamptz
	String                      // utf8, string
	Binary                      // binary, binary
	UUID                        // fixed_size_binary[16] as arrow.uuid, uuid
	decimalType
)

// Decimal is the type of exact numbers of up to precision digits (1 to 38), of
// which scale (0 to precision) stand behind the point.
func Decimal(precision, scale int) Type {
	return decimalType | Type(uint8(precision))<<8 | Type(uint8(scale))<<16
}

// DecimalSize returns precision and scale, and whether t is a decimal.
func (t Type) DecimalSize() (precision, scale int, ok bool) {
	return int(t >> 8 & 0xff), int(t >> 16 & 0xff), t&0xff == decimalType
}

var typeNames = map[Type]string{
	Bool: "bool", Int: "int", Long: "long", Float: "float", Double: "double", Date: "date",
	Timestamp: "timestamp", TimestampTZ: "timestamptz", String: "string", Binary: "binary", UUID: "uuid",
}

// String returns the name that [ParseType] reads.
func (t Type) String() string {
	if p, s, ok := t.DecimalSize(); ok {
		return fmt.Sprintf("decimal(%d,%d)", p, s)
	}
	if n, ok := typeNames[t]; ok {
		return n
	}
	return "invalid"
}

// ParseType reads bool, int, long, float, double, decimal(p,s), date,
// timestamp, timestamptz, string, binary or uuid.
func ParseType(s string) (Type, error) {
	name := strings.ToLower(strings.TrimSpace(s))
	for t, n := range typeNames {
		if n == name {
			return t, nil
		}
	}
	if args, ok := strings.CutPrefix(name, "decimal("); ok {
		if args, ok = strings.CutSuffix(args, ")"); ok {
			ps, ss, found := strings.Cut(args, ",")
			p, err := strconv.Atoi(strings.TrimSpace(ps))
			sc := 0
			if found && err == nil {
				sc, err = strconv.Atoi(strings.TrimSpace(ss))
			}
			if err == nil && p >= 1 && p <= 38 && sc >= 0 && sc <= p {
				return Decimal(p, sc), nil
			}
		}
		return 0, fmt.Errorf("type %q: want decimal(precision,scale) with 1 <= precision <= 38 and 0 <= scale <= precision", s)
	}
	return 0, fmt.Errorf("type %q is not bool, int, long, float, double, decimal(p,s), date, timestamp, timestamptz, string, binary or uuid", s)
}

// MarshalText implements [encoding.TextMarshaler].
func (t Type) MarshalText() ([]byte, error) { return []byte(t.String()), nil }

// UnmarshalText implements [encoding.TextUnmarshaler].
func (t *Type) UnmarshalText(b []byte) (err error) {
	*t, err = ParseType(string(b))
	return err
}

func (t Type) validate() error {
	if p, s, ok := t.DecimalSize(); ok {
		if p < 1 || p > 38 || s > p {
			return fmt.Errorf("%v: precision must be 1 to 38 and scale 0 to precision", t)
		}
		return nil
	}
	if _, ok := typeNames[t]; !ok {
		return errors.New("no type")
	}
	return nil
}

// Arrow returns the Arrow type whose arrays hold columns of this type.
func (t Type) Arrow() arrow.DataType {
	if p, s, ok := t.DecimalSize(); ok {
		return &arrow.Decimal128Type{Precision: int32(p), Scale: int32(s)}
	}
	switch t {
	case Bool:
		return arrow.FixedWidthTypes.Boolean
	case Int:
		return arrow.PrimitiveTypes.Int32
	case Long:
		return arrow.PrimitiveTypes.Int64
	case Float:
		return arrow.PrimitiveTypes.Float32
	case Double:
		return arrow.PrimitiveTypes.Float64
	case Date:
		return arrow.FixedWidthTypes.Date32
	case Timestamp:
		return &arrow.TimestampType{Unit: arrow.Microsecond}
	case TimestampTZ:
		return &arrow.TimestampType{Unit: arrow.Microsecond, TimeZone: "UTC"}
	case String:
		return arrow.BinaryTypes.String
	case Binary:
		return arrow.BinaryTypes.Binary
	case UUID:
		return extensions.NewUUIDType()
	default:
		return arrow.Null
	}
}

// TypeOf returns the Type whose [Type.Arrow] is dt.
func TypeOf(dt arrow.DataType) (Type, bool) {
	if d, ok := dt.(*arrow.Decimal128Type); ok {
		return Decimal(int(d.Precision), int(d.Scale)), true
	}
	for t := range typeNames {
		if arrow.TypeEqual(t.Arrow(), dt) {
			return t, true
		}
	}
	return 0, false
}

// Column is one declared column of a table's files.
type Column struct {
	Name string
	Type Type
	// Required columns hold no nulls; a null in one is a bad row. Key columns
	// are required without being declared so.
	Required bool
	// Format is how text is read: for dates and timestamps one or more
	// layouts of package time, separated by "|"; for binary "hex" or "base64".
	// Empty is the format's default (RFC 3339 with space or T, base64).
	Format string
	// Zone is the IANA time zone of timestamptz text that carries no offset;
	// empty is UTC.
	Zone string
	// Sensitive columns get no value bounds in the table's metadata.
	Sensitive bool
	// Doc describes the column to people; it is carried into the table.
	Doc string
}

// Columns are declared columns, in order.
type Columns []Column

// Index returns the position of the column of that name, or -1.
func (c Columns) Index(name string) int {
	for i := range c {
		if c[i].Name == name {
			return i
		}
	}
	return -1
}

// Schema returns the columns as an Arrow schema.
func (c Columns) Schema() *arrow.Schema {
	fields := make([]arrow.Field, len(c))
	for i, col := range c {
		fields[i] = arrow.Field{Name: col.Name, Type: col.Type.Arrow(), Nullable: !col.Required}
	}
	return arrow.NewSchema(fields, nil)
}
