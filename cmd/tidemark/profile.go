package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/tidemark-data/etl"
	"github.com/tidemark-data/etl/format"
	"github.com/tidemark-data/etl/format/parquetformat"
	"github.com/tidemark-data/etl/profile"
	"github.com/tidemark-data/etl/sink/icebergsink"
)

const aboutSources = `
Sources are: files, the files that the table holds by the ledger, applied once more
to an empty table in the folder for temporary files; csv:PATH, parquet:PATH and
json_lines:PATH, an export of the table, read through its columns and transforms.
Numbers of distinct values are approximate (0.8 %), but equal where the values are.
The least and the greatest values are data: they are printed with --values only, and
those of sensitive columns never.
`

func profileVerb() *verb {
	var from string
	var values bool
	return &verb{
		name: "profile", args: "table", short: "describe a table, or a source, column by column",
		about: `
Counts rows, and in each column values, nulls and distinct values.
` + aboutSources + `
Examples:
  tidemark profile mpd.incidents
  tidemark profile mpd.incidents --source csv:export.csv --values`,
		flags: func(set *flag.FlagSet) {
			set.StringVar(&from, "source", "", "profile a `source` in place of the table")
			set.BoolVar(&values, "values", false, "print the least and the greatest values")
		},
		run: func(ctx context.Context, a *app, args []string) (int, error) {
			t, err := a.profiled(ctx, "profile", args)
			if err != nil {
				return exitUsage, err
			}
			source := t.table
			if from != "" {
				if source, err = t.source(from); err != nil {
					return exitUsage, err
				}
			}
			p, err := profile.Of(ctx, source, t.target.Columns)
			if err != nil {
				return exitError, err
			}
			return exitOK, a.printProfile(p, values)
		},
	}
}

func compareVerb() *verb {
	var from, tolerance string
	var values bool
	return &verb{
		name: "compare", args: "table", short: "compare a table with its source, column by column",
		about: `
Says for each column whether the table matches a source: type, number of values, nulls
and distinct values, least and greatest value. A verdict takes the figures of all rows,
but not each row: two tables may match whose rows differ.
` + aboutSources + `
The exit code is 0 where all matches and 1 where something does not.

Examples:
  tidemark compare mpd.incidents
  tidemark compare mpd.incidents --source csv:export.csv --tolerance 0.1% --json`,
		flags: func(set *flag.FlagSet) {
			set.StringVar(&from, "source", "files", "the `source` to compare with")
			set.StringVar(&tolerance, "tolerance", "0%", "by what `share` numbers may differ")
			set.BoolVar(&values, "values", false, "print the least and the greatest values")
		},
		run: func(ctx context.Context, a *app, args []string) (int, error) {
			share, err := parseShare(tolerance)
			if err != nil {
				return exitUsage, err
			}
			t, err := a.profiled(ctx, "compare", args)
			if err != nil {
				return exitUsage, err
			}
			source, err := t.source(from)
			if err != nil {
				return exitUsage, err
			}
			c, err := t.compare(ctx, source, profile.Tolerance{Counts: share})
			if err != nil {
				return exitError, err
			}
			code := exitOK
			if !c.Match {
				code = exitError
			}
			return code, a.printComparison(c, values)
		},
	}
}

// profiled is a table of the config that is profiled.
type profiled struct {
	app    *app
	config etl.Table
	target etl.Target
	table  profile.Source
}

func (a *app) profiled(ctx context.Context, verb string, args []string) (*profiled, error) {
	if len(args) != 1 {
		return nil, usagef("%s takes one table", verb)
	}
	if err := a.open(ctx); err != nil {
		return nil, err
	}
	if _, err := a.tableNames(args); err != nil {
		return nil, err
	}
	t := &profiled{app: a}
	for _, c := range a.config.Tables {
		if c.Name == args[0] {
			t.config = c
		}
	}
	scanner, ok := etl.Ability[etl.Scanner](a.config.Sink)
	if !ok {
		return nil, usagef("%s: the tables cannot be read", verb)
	}
	var err error
	t.table = profile.Table{Tables: scanner, Name: args[0]}
	t.target, err = t.config.Target()
	return t, err
}

// source returns what --source names.
func (t *profiled) source(name string) (profile.Source, error) {
	kind, path, _ := strings.Cut(name, ":")
	if kind == "files" && path == "" {
		return profile.Files(t.app.config, t.config.Name, t.scratch), nil
	}
	table := t.config
	switch kind {
	case "csv":
		if _, same := table.Format.(format.CSV); !same {
			table.Format = format.CSV{Header: true}
		}
	case "parquet":
		if _, same := table.Format.(parquetformat.Format); !same {
			table.Format = parquetformat.Format{}
		}
	case "json_lines":
		if _, same := table.Format.(format.JSONLines); !same {
			table.Format = format.JSONLines{}
		}
	default:
		return nil, usagef("source %q is not files, csv:PATH, parquet:PATH or json_lines:PATH", clean(name))
	}
	if path == "" {
		return nil, usagef("source %q names no file", clean(name))
	}
	return profile.File{Table: table, Location: path, Open: profile.Local(path)}, nil
}

// scratch makes a lake that is removed when it is closed.
func (t *profiled) scratch(ctx context.Context) (profile.ScratchSink, error) {
	folder, err := os.MkdirTemp(t.app.config.TempDir, "tidemark-compare-")
	if err != nil {
		return nil, err
	}
	lake, err := icebergsink.Open(ctx, icebergsink.Config{Warehouse: filepath.Join(folder, "lake")})
	if err != nil {
		_ = os.RemoveAll(folder)
		return nil, err
	}
	return scratchLake{lake, folder}, nil
}

type scratchLake struct {
	*icebergsink.Sink
	folder string
}

func (s scratchLake) Close() error {
	err := s.Sink.Close()
	if rerr := os.RemoveAll(s.folder); err == nil {
		err = rerr
	}
	return err
}

func (t *profiled) compare(ctx context.Context, source profile.Source, tolerance profile.Tolerance) (profile.Comparison, error) {
	theirs, err := profile.Of(ctx, source, t.target.Columns)
	if err != nil {
		return profile.Comparison{}, fmt.Errorf("source: %w", err)
	}
	ours, err := profile.Of(ctx, t.table, t.target.Columns)
	if err != nil {
		return profile.Comparison{}, err
	}
	return profile.Compare(theirs, ours, tolerance), nil
}

// parseShare reads 0.01 or 1%.
func parseShare(s string) (float64, error) {
	number, percent := strings.CutSuffix(s, "%")
	f, err := strconv.ParseFloat(number, 64)
	if percent {
		f /= 100
	}
	if err != nil || !(f >= 0 && f <= 1) {
		return 0, usagef("tolerance %q is not a share such as 1%% or 0.01", clean(s))
	}
	return f, nil
}
