package profile

import (
	"math"

	"github.com/tidemark-data/etl"
)

// Comparison is the verdict on a table and its source.
type Comparison struct {
	// Match is set where the numbers of rows and all columns match.
	Match bool `json:"match"`
	// RowsMatch is set where the numbers of rows match.
	RowsMatch  bool      `json:"rows_match"`
	SourceRows int64     `json:"source_rows"`
	TableRows  int64     `json:"table_rows"`
	Columns    []Verdict `json:"columns"`
}

// Verdict is the verdict on a column.
type Verdict struct {
	Name  string `json:"name"`
	Match bool   `json:"match"`
	// Differs names what does not match: missing, type, values, nulls, distinct, min,
	// max.
	Differs []string `json:"differs,omitempty"`
	Source  Column   `json:"source"`
	Table   Column   `json:"table"`
}

// Tolerance is by how much figures may differ.
type Tolerance struct {
	// Counts is the share of the greater one by which two counts may differ, 0 to 1.
	// Least and greatest values must be the same.
	Counts float64
}

// Compare compares the columns of the same name. A column that only one of them has
// does not match.
func Compare(source, table Profile, tolerance Tolerance) Comparison {
	c := Comparison{SourceRows: source.Rows, TableRows: table.Rows, RowsMatch: tolerance.near(source.Rows, table.Rows)}
	c.Match = c.RowsMatch
	left := map[string]Column{}
	for _, col := range source.Columns {
		left[col.Name] = col
	}
	add := func(source, table Column) {
		v := tolerance.verdict(source, table)
		c.Columns = append(c.Columns, v)
		c.Match = c.Match && v.Match
	}
	for _, t := range table.Columns {
		s, ok := left[t.Name]
		if !ok {
			s = Column{Name: t.Name, Missing: true}
		}
		delete(left, t.Name)
		add(s, t)
	}
	for _, s := range source.Columns {
		if _, only := left[s.Name]; only {
			add(s, Column{Name: s.Name, Missing: true})
		}
	}
	return c
}

// WithoutValues returns a copy that holds figures only: no least and greatest values.
func (c Comparison) WithoutValues() Comparison {
	columns := make([]Verdict, len(c.Columns))
	for i, v := range c.Columns {
		v.Source, v.Table = v.Source.withoutValues(), v.Table.withoutValues()
		columns[i] = v
	}
	c.Columns = columns
	return c
}

func (t Tolerance) near(a, b int64) bool {
	return math.Abs(float64(a)-float64(b)) <= t.Counts*float64(max(a, b))
}

func (t Tolerance) verdict(s, o Column) Verdict {
	v := Verdict{Name: o.Name, Source: s, Table: o}
	differs := func(what string, yes bool) {
		if yes {
			v.Differs = append(v.Differs, what)
		}
	}
	if s.Missing || o.Missing {
		differs("missing", s.Missing != o.Missing)
	} else {
		differs("type", s.Type != o.Type && s.Type != etl.Type(0) && o.Type != etl.Type(0))
		differs("values", !t.near(s.Values, o.Values))
		differs("nulls", !t.near(s.Nulls, o.Nulls))
		differs("distinct", !t.near(s.Distinct, o.Distinct))
		if !s.Sensitive && !o.Sensitive {
			differs("min", !same(s.Min, o.Min))
			differs("max", !same(s.Max, o.Max))
		}
	}
	v.Match = len(v.Differs) == 0
	return v
}

func same(a, b *string) bool {
	if a == nil || b == nil {
		return a == b
	}
	return *a == *b
}
