package awslake

import (
	"errors"
	"fmt"
	"strings"

	"github.com/tidemark-data/etl"
)

// maxComment is the length of a column's comment in bytes (AWS Glue Web API
// Reference, "Column").
const maxComment = 255

// CheckNames returns a terminal error that lists all that Glue and Athena would
// not keep of a table as it is declared. They fold names to lower case (Amazon
// Athena User Guide, "Name databases, tables, and columns"), so that other
// engines would see other names than those declared.
func CheckNames(target etl.Target) error {
	var errs []error
	add := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	if target.Name != strings.ToLower(target.Name) {
		add("the name is not in lower case")
	}
	if strings.Count(target.Name, ".") != 1 {
		add("the name is not database.table: Glue has one level of namespaces")
	}
	folded := map[string]string{}
	for _, col := range target.Columns {
		low := strings.ToLower(col.Name)
		if other, ok := folded[low]; ok {
			add("columns %s and %s differ by case only", other, col.Name)
		} else if low != col.Name {
			add("column %s is not in lower case: rename it by a transform", col.Name)
		}
		folded[low] = col.Name
		if len(col.Doc) > maxComment || strings.ContainsAny(col.Doc, "\r\n") {
			add("column %s: its doc is not one line of at most %d bytes", col.Name, maxComment)
		}
	}
	if len(errs) == 0 {
		return nil
	}
	return etl.WithOutcome(etl.Terminal, fmt.Errorf("table %s cannot be kept in the Glue Data Catalog: %w", target.Name, errors.Join(errs...)))
}
