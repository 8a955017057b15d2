// Package config reads the YAML file of the tidemark command.
//
// It is strict: unknown keys, keys that are there twice and values of the wrong
// type are errors which name file, line and key, and all of them are listed at
// once. Relative paths are relative to the folder of the file. Nothing is taken
// from the environment.
package config

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/lexer"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"

	"github.com/tidemark-data/etl"
	"github.com/tidemark-data/etl/dispatch/sparkdispatch"
)

// MaxBytes is the greatest size of a config file.
const MaxBytes = 1 << 20

// Config is what a config file says, with paths made absolute or relative to
// the working folder and defaults filled in where they are not those of
// etl.Config.
type Config struct {
	// Source is the folder that files land in, MinAge how long they must have
	// been left alone before they are taken.
	Source string
	MinAge time.Duration
	// State is the SQLite file of ledger and locks.
	State string
	// Warehouse is the folder of the tables, Catalog their SQLite catalog.
	Warehouse string
	Catalog   string

	// Quarantine is the folder of bad rows; empty for none.
	Quarantine string

	Layout etl.Layout
	Tables []etl.Table

	Parallel     int
	MemoryBudget int64
	TempDir      string
	Lease        time.Duration
	Retry        etl.RetryPolicy

	// Spark is the dispatcher for tables under flag G; nil without one. Job says
	// how its jobs are attended.
	Spark *sparkdispatch.Config
	Job   Job

	lake *lake
}

// Load reads the file at path. Problems of its content are [Problems].
func Load(path string) (*Config, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() || info.Size() > MaxBytes {
		return nil, fmt.Errorf("%s: not a config file of at most %d bytes", path, MaxBytes)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	return Parse(path, data)
}

// Parse reads the content of a config file. The name is used in errors and for
// relative paths.
func Parse(name string, data []byte) (*Config, error) {
	d := &decoder{file: name, lake: &lake{}}
	root, ok := d.parse(data)
	if !ok {
		return nil, d.err()
	}
	c := d.config(d.value(root, "", 1))
	if err := d.err(); err != nil {
		return nil, err
	}
	return c, nil
}

// maxDepth bounds how deep values may be nested, since the parser recurses.
const maxDepth = 100

func (d *decoder) parse(data []byte) (root ast.Node, ok bool) {
	defer func() {
		if recover() != nil { // the YAML library gave up on it
			d.add(1, "", "not valid YAML")
			root, ok = nil, false
		}
	}()
	if len(data) > MaxBytes {
		d.add(1, "", "longer than %d bytes", MaxBytes)
		return nil, false
	}
	tokens := lexer.Tokenize(string(data))
	if line := tooDeep(tokens); line > 0 {
		d.add(line, "", "nested too deep")
		return nil, false
	}
	file, err := parser.Parse(tokens, 0, parser.AllowDuplicateMapKey())
	if err != nil {
		d.syntax(err)
		return nil, false
	}
	for _, doc := range file.Docs {
		switch {
		case doc == nil || doc.Body == nil:
		case root != nil:
			d.add(lineOf(doc.Body, 1), "", "a second YAML document; only one is expected")
			return nil, false
		default:
			root = doc.Body
		}
	}
	if root == nil {
		d.add(1, "", "the file is empty")
	}
	return root, root != nil
}

// tooDeep returns the line where nesting passes maxDepth, or 0.
func tooDeep(tokens token.Tokens) int {
	flow, line, row := 0, 0, 0
	for _, t := range tokens {
		switch t.Type {
		case token.SequenceStartType, token.MappingStartType:
			flow++
		case token.SequenceEndType, token.MappingEndType:
			flow--
		case token.SequenceEntryType, token.MappingKeyType, token.TagType, token.AnchorType, token.MappingValueType:
			row++
		}
		if t.Position == nil {
			continue
		}
		if t.Position.Line != line {
			line, row = t.Position.Line, 0
		}
		if flow > maxDepth || row > 20*maxDepth || t.Position.IndentNum > 4*maxDepth {
			return max(line, 1)
		}
	}
	return 0
}

func (d *decoder) syntax(err error) {
	var se *yaml.SyntaxError
	if errors.As(err, &se) && se.Token != nil && se.Token.Position != nil {
		d.add(se.Token.Position.Line, "", "%s", se.Message)
		return
	}
	text, _, _ := strings.Cut(err.Error(), "\n")
	d.add(1, "", "%s", text)
}

func (d *decoder) config(v value) *Config {
	c := &Config{lake: d.lake}
	o := v.object("a mapping with source, state, warehouse, layout and tables")
	src := o.need("source").object("a mapping with dir")
	src.need("dir").str(&c.Source)
	src.get("min_age").duration(&c.MinAge)
	src.done()
	o.need("state").str(&c.State)
	o.need("warehouse").str(&c.Warehouse)
	o.get("catalog").str(&c.Catalog)
	c.Quarantine = quarantined(o.get("quarantine"))

	o.get("parallel").int(&c.Parallel)
	o.get("memory").size(&c.MemoryBudget)
	o.get("temp_dir").str(&c.TempDir)
	o.get("lease").duration(&c.Lease)
	retry := o.get("retry").object("a mapping with attempts, base and max")
	retry.get("attempts").int(&c.Retry.Attempts)
	retry.get("base").duration(&c.Retry.Base)
	retry.get("max").duration(&c.Retry.Max)
	retry.done()
	c.Spark = dispatcher(o.get("dispatcher"))
	c.Job = job(o.get("job"))
	d.paths(o, c)
	d.source = c.Source

	c.Layout = layout(o.need("layout"))
	defaults := formats(o, formatSpec{})
	for _, item := range o.need("tables").list("a list of tables") {
		c.Tables = append(c.Tables, table(item, defaults))
	}
	tables := o.get("tables")
	if n, ok := tables.node.(*ast.SequenceNode); ok && len(n.Values) == 0 {
		tables.bad("no tables")
	}
	o.done()
	needsQuarantine(tables, c)
	sameNames(tables, c.Tables)
	return c
}

// sameNames reports tables whose names differ by case only.
func sameNames(v value, tables []etl.Table) {
	seen := map[string]int{}
	for i, t := range tables {
		fold := strings.ToLower(t.Name)
		first, dup := seen[fold]
		if dup && t.Name != "" {
			v.list("")[i].bad("has the name of tables[%d], case apart", first)
		}
		seen[fold] = i
	}
}

func (d *decoder) paths(o *object, c *Config) {
	folder := filepath.Dir(d.file)
	for _, p := range []struct {
		key  string
		path *string
	}{{"source", &c.Source}, {"state", &c.State}, {"warehouse", &c.Warehouse}, {"catalog", &c.Catalog}, {"temp_dir", &c.TempDir}, {"quarantine", &c.Quarantine}} {
		switch {
		case strings.Contains(*p.path, "://"):
			o.get(p.key).bad("is a URL; the command keeps tables in local folders")
		case *p.path != "" && !filepath.IsAbs(*p.path):
			*p.path = filepath.Join(folder, filepath.FromSlash(*p.path))
		}
	}
	if c.Catalog == "" && c.Warehouse != "" {
		c.Catalog = filepath.Join(c.Warehouse, "catalog.db")
	}
	if c.Catalog != "" && c.Catalog == c.State {
		o.get("state").bad("and catalog must be two files")
	}
	sparkPaths(o.get("dispatcher"), folder, c.State, c.Spark)
	empty := func(v value, s string) {
		if _, ok := v.node.(*ast.StringNode); ok && s == "" {
			v.bad("is empty")
		}
	}
	empty(o.get("state"), c.State)
	empty(o.get("warehouse"), c.Warehouse)
}
