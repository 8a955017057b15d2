package awstest

import (
	"maps"
	"net/http"
	"strconv"
	"strings"
	"time"
)

func (d *glueDatabase) create(req glueRequest) *glueError {
	t, err := glueTableOf(req.TableInput)
	if err != nil {
		return err
	}
	if d.tables[t.name] != nil {
		return &glueError{http.StatusBadRequest, "AlreadyExistsException", "Table already exists."}
	}
	d.tables[t.name] = t
	return nil
}

// update replaces a table, if VersionId is its present version or not given.
func (d *glueDatabase) update(req glueRequest) (archive bool, _ *glueError) {
	t, err := glueTableOf(req.TableInput)
	if err != nil {
		return false, err
	}
	old := d.tables[t.name]
	if old == nil {
		return false, glueNotFound("Table not found.")
	}
	if req.VersionID != nil && *req.VersionID != strconv.Itoa(old.version) {
		return false, &glueError{http.StatusBadRequest, "ConcurrentModificationException", "Update table failed due to concurrent modifications."}
	}
	t.version = old.version + 1
	d.tables[t.name] = t
	return !req.SkipArchive, nil
}

// view is the table as an answer shows it.
func (d *glueDatabase) view(t *glueTable) map[string]any {
	out := maps.Clone(t.fields)
	out["DatabaseName"], out["VersionId"], out["UpdateTime"] = d.name, strconv.Itoa(t.version), t.updated.Unix()
	return out
}

// glueTableOf takes a TableInput, with its names in lower case.
func glueTableOf(input map[string]any) (*glueTable, *glueError) {
	name, _ := input["Name"].(string)
	if name == "" {
		return nil, &glueError{http.StatusBadRequest, "InvalidInputException", "a table needs a name"}
	}
	name = strings.ToLower(name)
	input["Name"] = name
	storage, _ := input["StorageDescriptor"].(map[string]any)
	columns, _ := storage["Columns"].([]any)
	for _, c := range columns {
		col, _ := c.(map[string]any)
		if n, ok := col["Name"].(string); ok {
			col["Name"] = strings.ToLower(n)
		}
		if doc, _ := col["Comment"].(string); len(doc) > 255 || strings.ContainsAny(doc, "\n\r") {
			return nil, &glueError{http.StatusBadRequest, "InvalidInputException", "a comment is longer than 255 bytes or has several lines"}
		}
	}
	return &glueTable{name: name, fields: input, updated: time.Now()}, nil
}

// page answers one page of a listing; its token is where the next one begins.
func (g *Glue) page(req glueRequest, list string, keys []string, show func(string) any) (map[string]any, *glueError) {
	from, _ := strconv.Atoi(req.NextToken)
	size := g.Page
	if size <= 0 {
		size = 100
	}
	if req.MaxResults > 0 {
		size = min(size, req.MaxResults)
	}
	from = max(0, min(from, len(keys)))
	to := min(from+size, len(keys))
	shown := []any{}
	for _, k := range keys[from:to] {
		shown = append(shown, show(k))
	}
	out := map[string]any{list: shown}
	if to < len(keys) {
		out["NextToken"] = strconv.Itoa(to)
	}
	return out, nil
}

func glueKey(catalog, name string) string { return catalog + "/" + strings.ToLower(name) }

func glueNotFound(message string) *glueError {
	return &glueError{http.StatusBadRequest, "EntityNotFoundException", message}
}
