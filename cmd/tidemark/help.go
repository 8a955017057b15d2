package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"runtime/debug"
	"strings"

	"github.com/tidemark-data/etl/internal/config"
)

const exitCodes = `Exit codes:
  0  all that was asked for is done
  1  an error that may pass: the same command may succeed later
  2  the command line or the config file is wrong
  3  a table is paused and waits for an operator
  4  a table is locked by another process, or work waits for its time
`

func (a *app) usage(w io.Writer) error {
	var b strings.Builder
	b.WriteString("tidemark keeps Iceberg tables in step with files that land in a folder.\n\n")
	b.WriteString("Usage: tidemark [-c tidemark.yaml] [flags] <verb> [arguments]\n\nVerbs:\n")
	for _, v := range verbs() {
		fmt.Fprintf(&b, "  %-10s %s\n", v.name, v.short)
	}
	fmt.Fprintf(&b, "  %-10s %s\n", "help", "tell about a verb, or about the config file: tidemark help config")
	b.WriteString("\nFlags, before or after the verb:\n")
	writeFlags(&b, a.flagSet(""))
	b.WriteString("\n" + exitCodes)
	_, err := io.WriteString(w, b.String())
	return err
}

func (a *app) verbUsage(v *verb) error {
	var b strings.Builder
	fmt.Fprintf(&b, "tidemark %s: %s\n\n", v.name, v.short)
	fmt.Fprintf(&b, "Usage: tidemark %s\n\n%s\n", strings.TrimSpace(v.name+" [flags] "+v.args), strings.TrimSpace(v.about))
	if v.flags != nil {
		own := flag.NewFlagSet("", flag.ContinueOnError)
		v.flags(own)
		b.WriteString("\nFlags:\n")
		writeFlags(&b, own)
	}
	b.WriteString("\nFlags of all verbs:\n")
	writeFlags(&b, a.flagSet(""))
	_, err := io.WriteString(a.stdout, b.String())
	return err
}

func writeFlags(b *strings.Builder, set *flag.FlagSet) {
	set.VisitAll(func(f *flag.Flag) {
		dashes := "--"
		if len(f.Name) == 1 {
			dashes = "-"
		}
		kind, text := flag.UnquoteUsage(f)
		name := strings.TrimSpace(dashes + f.Name + " " + kind)
		fmt.Fprintf(b, "  %-22s %s\n", name, text)
	})
}

func (a *app) help(args []string) (int, error) {
	if len(args) == 0 {
		return exitOK, a.usage(a.stdout)
	}
	if args[0] == "config" {
		_, err := io.WriteString(a.stdout, config.Reference)
		return exitOK, err
	}
	for _, v := range verbs() {
		if v.name == args[0] {
			return exitOK, a.verbUsage(v)
		}
	}
	return exitUsage, usagef("no verb %q (tidemark help lists the verbs)", args[0])
}

func versionVerb() *verb {
	return &verb{
		name: "version", short: "print the version of the command",
		about: "Example:\n  tidemark version --json",
		run: func(_ context.Context, a *app, args []string) (int, error) {
			if len(args) > 0 {
				return exitUsage, usagef("version takes no arguments")
			}
			doc := buildVersion()
			if a.json {
				return exitOK, a.printJSON(doc)
			}
			_, err := fmt.Fprintf(a.stdout, "tidemark %s %s %s\n", doc.Version, doc.Revision, doc.Go)
			return exitOK, err
		},
	}
}

type versionDoc struct {
	Version  string `json:"version"`
	Revision string `json:"revision"`
	Go       string `json:"go"`
}

func buildVersion() versionDoc {
	doc := versionDoc{Version: "(devel)", Revision: "(unknown)"}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return doc
	}
	doc.Go = info.GoVersion
	if v := info.Main.Version; v != "" {
		doc.Version = v
	}
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" {
			doc.Revision = s.Value
		}
	}
	return doc
}
