package transform

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"github.com/apache/arrow-go/v18/arrow"

	"github.com/tidemark-data/etl"
	"github.com/tidemark-data/etl/internal/textconv"
)

// JSONField is a value to take out of JSON.
type JSONField struct {
	// Path leads to it: names of members with "." between them, and [n] for the
	// element n, counted from 0, of an array: "address.lines[0]". Members whose
	// names have a "." or "[" cannot be named.
	Path string
	// Name, Type, Format and Zone are those of the column made of it. An empty
	// name is the path.
	Name         string
	Type         etl.Type
	Format, Zone string
}

// ParseJSON adds columns behind the others with values out of the JSON texts (RFC
// 8259) of a column. What is not there is null, as JSON's null is. A number is
// read as it is written, as numbers in files are, a text likewise; true and false
// become bools, or the texts "true" and "false". Violated rules are "not JSON",
// "JSON object or array where a value is wanted", and those of reading text; the
// column named is that of the JSON text for the first of them, else the new one.
// Of members of the same name the last one counts.
func ParseJSON(name string, fields ...JSONField) etl.Transformer {
	fields = slices.Clone(fields)
	var declared []any
	for i, f := range fields {
		if f.Name == "" {
			fields[i].Name = f.Path
		}
		m := map[string]any{"path": f.Path, "name": fields[i].Name, "type": f.Type.String()}
		if f.Format != "" {
			m["format"] = f.Format
		}
		if f.Zone != "" {
			m["zone"] = f.Zone
		}
		declared = append(declared, m)
	}
	return adding{
		decl:   etl.Declaration{Kind: "json", Options: map[string]any{"column": name, "fields": declared}},
		fields: func(in *arrow.Schema) ([]arrow.Field, error) { return jsonFields(in, name, fields) },
		make: func(_ context.Context, in arrow.RecordBatch) ([]arrow.Array, error) {
			return takeJSON(in, name, fields)
		},
	}
}

// Flatten is [ParseJSON] for objects in objects: each path becomes a column named
// after the column and the path, with separator in the place of "." and of the
// brackets: of column "address", the path "geo.lat" becomes "address_geo_lat".
func Flatten(name, separator string, fields ...JSONField) etl.Transformer {
	fields = slices.Clone(fields)
	for i, f := range fields {
		if f.Name == "" {
			path := strings.NewReplacer(".", separator, "[", separator, "]", "").Replace(f.Path)
			fields[i].Name = name + separator + path
		}
	}
	return ParseJSON(name, fields...)
}

func jsonFields(in *arrow.Schema, name string, fields []JSONField) ([]arrow.Field, error) {
	f, ok := in.FieldsByName(name)
	if !ok {
		return nil, fmt.Errorf("no column %s", name)
	}
	if f[0].Type.ID() != arrow.STRING {
		return nil, fmt.Errorf("column %s is not a string", name)
	}
	var out []arrow.Field
	for _, f := range fields {
		if _, err := parsePath(f.Path); err != nil {
			return nil, fmt.Errorf("path %q: %w", f.Path, err)
		}
		if _, err := textconv.New(f.column()); err != nil {
			return nil, err
		}
		out = append(out, arrow.Field{Name: f.Name, Type: f.Type.Arrow(), Nullable: true})
	}
	return out, nil
}

func (f JSONField) column() etl.Column {
	return etl.Column{Name: f.Name, Type: f.Type, Format: f.Format, Zone: f.Zone}
}

// jsonStep is a member, or an element where there is no name.
type jsonStep struct {
	name  string
	index int
}

func parsePath(path string) ([]jsonStep, error) {
	var steps []jsonStep
	for i, part := range strings.Split(path, ".") {
		name, rest, indexed := strings.Cut(part, "[")
		if name == "" && (i > 0 || !indexed) {
			return nil, errors.New("a name is empty")
		}
		if name != "" {
			steps = append(steps, jsonStep{name: name})
		}
		for indexed {
			var digits string
			if digits, rest, indexed = strings.Cut(rest, "]"); !indexed {
				return nil, errors.New("a bracket is not closed")
			}
			n, err := strconv.ParseUint(digits, 10, 31)
			if err != nil {
				return nil, errors.New("no number in brackets")
			}
			steps = append(steps, jsonStep{index: int(n)})
			if indexed = rest != ""; indexed && rest[0] != '[' {
				return nil, errors.New("a point is missing behind a bracket")
			}
			rest = strings.TrimPrefix(rest, "[")
		}
	}
	return steps, nil
}

func takeJSON(in arrow.RecordBatch, name string, fields []JSONField) ([]arrow.Array, error) {
	texts, err := asText(in.Column(in.Schema().FieldIndices(name)[0]))
	if err != nil {
		return nil, err
	}
	paths, builders := make([][]jsonStep, len(fields)), make([]textconv.Builder, len(fields))
	for i, f := range fields {
		if paths[i], err = parsePath(f.Path); err != nil {
			return nil, err
		}
		if builders[i], err = textconv.New(f.column()); err != nil {
			return nil, err
		}
	}
	for row := range texts.Len() {
		var doc any
		if texts.IsValid(row) {
			if doc, err = parseJSON(texts.Value(row)); err != nil {
				return nil, inColumn(name, badValue(row, "not JSON"))
			}
		}
		for i, b := range builders {
			if rule := appendJSON(b, at(doc, paths[i]), fields[i].Type); rule != "" {
				return nil, inColumn(fields[i].Name, badValue(row, rule))
			}
		}
	}
	out := make([]arrow.Array, len(builders))
	for i, b := range builders {
		out[i] = b.NewArray()
	}
	return out, nil
}

func parseJSON(text string) (any, error) {
	d := json.NewDecoder(strings.NewReader(text))
	d.UseNumber()
	var doc any
	if err := d.Decode(&doc); err != nil {
		return nil, err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("more than one value")
	}
	return doc, nil
}

func at(doc any, path []jsonStep) any {
	for _, s := range path {
		switch d := doc.(type) {
		case map[string]any:
			if s.name == "" {
				return nil
			}
			doc = d[s.name]
		case []any:
			if s.name != "" || s.index >= len(d) {
				return nil
			}
			doc = d[s.index]
		default:
			return nil
		}
	}
	return doc
}

func appendJSON(b textconv.Builder, v any, typ etl.Type) string {
	switch v := v.(type) {
	case nil:
		b.AppendNull()
		return ""
	case json.Number:
		return b.Append([]byte(v))
	case string:
		return b.Append([]byte(v))
	case bool:
		if typ != etl.Bool && typ != etl.String {
			return "a JSON bool is not a " + typ.String()
		}
		return b.Append(strconv.AppendBool(nil, v))
	default:
		return "JSON object or array where a value is wanted"
	}
}
