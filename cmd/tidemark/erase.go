package main

import (
	"context"
	"encoding/csv"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/tidemark-data/etl"
	"github.com/tidemark-data/etl/format"
)

type eraseFlags struct {
	keys []string
	file string
	yes  bool
	opts etl.EraseOptions
}

func eraseVerb() *verb {
	var f eraseFlags
	return &verb{
		name: "erase", args: "<table>", short: "remove keys for good, older versions of the table too",
		about: `
Removes the rows of keys from the table, from quarantine and from what is kept
aside; then, at once or within the time given, all older versions of the table,
which cannot be read any more. Old files do not bring the keys back; files that
land later are new data. The landed files themselves are not touched. The history
keeps who, why and how many, not the keys.

A key is a line of CSV with the key's columns in their order, as the source has
them. Prefer --keys-file: arguments are seen by others on the machine, and shells
remember them. "-" reads stdin. If the command fails, repeat it.

Examples:
  tidemark erase hr.people --keys-file keys.csv --by dpo --why "request 17" --yes
  tidemark erase hr.people --key 4711 --within 72h --yes`,
		flags: func(set *flag.FlagSet) {
			set.Func("key", "a `key`; may be given several times", func(s string) error {
				f.keys = append(f.keys, s)
				return nil
			})
			set.StringVar(&f.file, "keys-file", "", "`file` of keys, one in a line")
			set.DurationVar(&f.opts.Within, "within", 0, "`time` after which older versions go; default: at once")
			set.StringVar(&f.opts.By, "by", "", "`who`, for the history")
			set.StringVar(&f.opts.Why, "why", "", "`reason`, for the history; without values of keys")
			set.BoolVar(&f.yes, "yes", false, "do it; without it nothing is done")
		},
		run: func(ctx context.Context, a *app, args []string) (int, error) { return a.erase(ctx, f, args) },
	}
}

// The document of erase --json.
type eraseDoc struct {
	Table string `json:"table"`
	etl.ErasureReport
}

func (a *app) erase(ctx context.Context, f eraseFlags, args []string) (int, error) {
	if len(args) != 1 {
		return exitUsage, usagef("erase: name one table")
	}
	if f.opts.Within < 0 {
		return exitUsage, usagef("erase: --within must not be negative")
	}
	rows, err := a.keys(f)
	if err != nil {
		return exitUsage, err
	}
	if err := a.open(ctx); err != nil {
		return exitError, err
	}
	if _, err := a.tableNames(args); err != nil {
		return exitUsage, err
	}
	at := slices.IndexFunc(a.config.Tables, func(t etl.Table) bool { return t.Name == args[0] })
	keys, err := format.Keys(a.config.Tables[at], rows)
	if err != nil {
		return exitUsage, usagef("erase: %v", err)
	}
	defer keys.Release()
	if !f.yes {
		return exitUsage, usagef("erase: %s of %s would go for good, and older versions of the table with them: say --yes", plural(len(rows), "key"), clean(args[0]))
	}
	rep, err := a.runner.Erase(ctx, args[0], keys, f.opts)
	switch {
	case errors.Is(err, etl.ErrLocked):
		return exitWaits, fmt.Errorf("another process works on %s: %w", clean(args[0]), err)
	case err != nil:
		return exitError, fmt.Errorf("%w (repeat the command when its cause is gone)", err)
	case a.json:
		return exitOK, a.printJSON(eraseDoc{args[0], rep})
	}
	return exitOK, a.printErasure(args[0], rep)
}

func (a *app) printErasure(table string, rep etl.ErasureReport) error {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %s erased, %s removed from the table, %s from quarantine.\n",
		clean(table), plural(rep.Keys, "key"), plural(int(rep.Rows), "row"), plural(rep.Quarantined, "row"))
	if p := rep.Purged; p != nil {
		fmt.Fprintf(&b, "Older versions are gone: %s, %s.\n", plural(p.Snapshots, "snapshot"), plural(p.Files, "file"))
		for _, name := range p.Refs {
			fmt.Fprintf(&b, "The tag or branch %s went with them.\n", clean(name))
		}
		if n := len(p.Left); n > 0 {
			fmt.Fprintf(&b, "%s that may be another writer's were left to maintenance.\n", plural(n, "file"))
		}
	} else {
		fmt.Fprintf(&b, "Older versions go with the first ingest or maintain after %s.\n", rep.Due.UTC().Format(time.RFC3339))
	}
	_, err := io.WriteString(a.stdout, b.String())
	return err
}

// keys reads those of the command line and of the file.
func (a *app) keys(f eraseFlags) ([][]string, error) {
	in := io.Reader(strings.NewReader(""))
	switch f.file {
	case "":
	case "-":
		in = a.stdin
	default:
		file, err := os.Open(f.file)
		if err != nil {
			return nil, usagef("erase: %v", err)
		}
		defer file.Close()
		in = file
	}
	rows, err := readKeys("the keys file", in)
	for i, key := range f.keys {
		if err != nil {
			break
		}
		var one [][]string
		if one, err = readKeys(fmt.Sprintf("--key %d", i+1), strings.NewReader(key)); err == nil && len(one) != 1 {
			err = usagef("erase: --key %d is not one line of CSV", i+1)
		}
		rows = append(rows, one...)
	}
	if err == nil && len(rows) == 0 {
		err = usagef("erase: name keys by --key or --keys-file")
	}
	return rows, err
}

// readKeys reads as many keys as can be erased. Its errors tell the line only.
func readKeys(what string, in io.Reader) (rows [][]string, err error) {
	r := csv.NewReader(in)
	r.FieldsPerRecord = -1
	for {
		row, err := r.Read()
		var bad *csv.ParseError
		switch {
		case errors.Is(err, io.EOF):
			return rows, nil
		case errors.As(err, &bad):
			return nil, usagef("erase: %s: line %d: %v", what, bad.Line, bad.Err)
		case err != nil:
			return nil, fmt.Errorf("read %s: %w", what, err)
		case len(rows) == etl.MaxErasedKeys:
			return nil, usagef("erase: %s has more than %d keys", what, etl.MaxErasedKeys)
		}
		rows = append(rows, row)
	}
}
