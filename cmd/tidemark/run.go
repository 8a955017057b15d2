package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"strings"

	"github.com/tidemark-data/etl"
	"github.com/tidemark-data/etl/internal/config"
)

// Exit codes; the doc comment of the command says what they mean.
const (
	exitOK = iota
	exitError
	exitUsage
	exitPaused
	exitWaits
)

// usageError is a command line or config file that is wrong.
type usageError struct{ err error }

func (e usageError) Error() string { return e.err.Error() }
func (e usageError) Unwrap() error { return e.err }

func usagef(format string, args ...any) error { return usageError{fmt.Errorf(format, args...)} }

// app is one call of the command.
type app struct {
	stdin          io.Reader
	stdout, stderr io.Writer

	configPath string
	json       bool
	verbose    bool
	logJSON    bool

	observer etl.Observer
	config   etl.Config
	runner   *etl.Runner
	close    func() error
}

// verb is one of the things that the command does.
type verb struct {
	name, args, short string
	// about is the text of -h after the usage line.
	about string
	// flags declares the flags of the verb, if it has any.
	flags func(*flag.FlagSet)
	// run does it and returns the exit code; an error has its own.
	run func(ctx context.Context, a *app, args []string) (int, error)
}

func verbs() []*verb {
	return []*verb{
		ingestVerb(), statusVerb(), whyVerb(), historyVerb(), planVerb(), profileVerb(), compareVerb(),
		pauseVerb(), resumeVerb(), retryVerb(), skipVerb(), reloadVerb(), completeVerb(),
		cancelVerb(), classifyVerb(), badVerb(), flagVerb(), rebuildVerb(), maintainVerb(), eraseVerb(), versionVerb(),
	}
}

// run is main without its surroundings. It returns the exit code.
func run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer, env func(string) string) int {
	a := &app{stdin: stdin, stdout: stdout, stderr: stderr, configPath: env("TIDEMARK_CONFIG")}
	if a.configPath == "" {
		a.configPath = "tidemark.yaml"
	}
	code, err := a.dispatch(ctx, args)
	if a.close != nil {
		err = errors.Join(err, a.close())
	}
	if err == nil {
		return code
	}
	code = codeOf(err)
	for line := range strings.SplitSeq(err.Error(), "\n") {
		fmt.Fprintln(stderr, "tidemark:", line)
	}
	if a.json {
		_ = a.printJSON(struct {
			Error    string `json:"error"`
			ExitCode int    `json:"exit_code"`
		}{err.Error(), code})
	}
	return code
}

func codeOf(err error) int {
	var usage usageError
	switch {
	case errors.As(err, &usage), errors.Is(err, etl.ErrNoTable):
		return exitUsage
	case errors.Is(err, etl.ErrLocked):
		return exitWaits
	default:
		return exitError
	}
}

func (a *app) dispatch(ctx context.Context, args []string) (int, error) {
	global := a.flagSet("tidemark")
	if err := global.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return exitOK, a.usage(a.stdout)
		}
		return exitUsage, usagef("%w (tidemark help lists the flags)", err)
	}
	args = global.Args()
	if len(args) == 0 {
		return exitUsage, errors.Join(a.usage(a.stderr), usagef("no verb given"))
	}
	if args[0] == "help" {
		return a.help(args[1:])
	}
	for _, v := range verbs() {
		if v.name == args[0] {
			return a.runVerb(ctx, v, args[1:])
		}
	}
	return exitUsage, usagef("no verb %q (tidemark help lists the verbs)", args[0])
}

// flagSet has the flags that can stand before and after the verb.
func (a *app) flagSet(name string) *flag.FlagSet {
	set := flag.NewFlagSet(name, flag.ContinueOnError)
	set.SetOutput(io.Discard)
	set.StringVar(&a.configPath, "c", a.configPath, "config `file`; also from TIDEMARK_CONFIG")
	set.BoolVar(&a.json, "json", a.json, "print one JSON document instead of text")
	set.BoolVar(&a.verbose, "v", a.verbose, "log to stderr what happens")
	set.BoolVar(&a.logJSON, "log-json", a.logJSON, "log to stderr in JSON; with -v in detail")
	return set
}

func (a *app) runVerb(ctx context.Context, v *verb, args []string) (int, error) {
	set := a.flagSet(v.name)
	if v.flags != nil {
		v.flags(set)
	}
	rest, err := parseMixed(set, args)
	if errors.Is(err, flag.ErrHelp) {
		return exitOK, a.verbUsage(v)
	}
	if err != nil {
		return exitUsage, usagef("%s: %w (tidemark %s -h tells more)", v.name, err, v.name)
	}
	return v.run(ctx, a, rest)
}

// parseMixed takes flags before, between and after the other arguments, up to "--".
func parseMixed(set *flag.FlagSet, args []string) (rest []string, err error) {
	for {
		if err := set.Parse(args); err != nil {
			return nil, err
		}
		left := set.Args()
		if len(left) == 0 {
			return rest, nil
		}
		if at := len(args) - len(left); at > 0 && args[at-1] == "--" {
			return append(rest, left...), nil
		}
		rest, args = append(rest, left[0]), left[1:]
	}
}

// open reads the config file and opens what it names.
func (a *app) open(ctx context.Context) error {
	c, err := config.Load(a.configPath)
	if errors.Is(err, fs.ErrNotExist) {
		return usagef("config file %s is not there; name one by -c", a.configPath)
	}
	if err != nil {
		return usageError{err}
	}
	if a.config, a.close, err = c.Open(ctx, a.logger()); err != nil {
		if errors.Is(err, config.ErrNoSource) {
			return usageError{err}
		}
		return err
	}
	a.config.Observer = a.observer
	if a.runner, err = etl.New(a.config); err != nil {
		return usageError{err}
	}
	return nil
}

func (a *app) logger() *slog.Logger {
	options := &slog.HandlerOptions{}
	if a.verbose {
		options.Level = slog.LevelDebug
	}
	switch {
	case a.logJSON:
		return slog.New(slog.NewJSONHandler(a.stderr, options))
	case a.verbose:
		return slog.New(slog.NewTextHandler(a.stderr, options))
	}
	return nil
}

func (a *app) printJSON(doc any) error {
	enc := json.NewEncoder(a.stdout)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	return enc.Encode(doc)
}

// locations returns args, with "-" replaced by the lines of stdin.
func (a *app) locations(args []string) ([]string, error) {
	var out []string
	for _, arg := range args {
		if arg != "-" {
			out = append(out, arg)
			continue
		}
		lines := bufio.NewScanner(a.stdin)
		for lines.Scan() {
			if lines.Text() != "" {
				out = append(out, lines.Text())
			}
		}
		if err := lines.Err(); err != nil {
			return nil, fmt.Errorf("read locations from stdin: %w", err)
		}
	}
	if len(args) > 0 && len(out) == 0 {
		return nil, usagef("no locations on stdin")
	}
	return out, nil
}

// tableNames returns the tables named, or all of the config.
func (a *app) tableNames(args []string) ([]string, error) {
	if len(args) > 0 {
		for _, name := range args {
			if !a.hasTable(name) {
				return nil, fmt.Errorf("%w: %s is not in %s", etl.ErrNoTable, clean(name), a.configPath)
			}
		}
		return args, nil
	}
	names := make([]string, len(a.config.Tables))
	for i, t := range a.config.Tables {
		names[i] = t.Name
	}
	return names, nil
}

func (a *app) hasTable(name string) bool {
	for _, t := range a.config.Tables {
		if t.Name == name {
			return true
		}
	}
	return false
}
