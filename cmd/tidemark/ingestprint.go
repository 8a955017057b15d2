package main

import (
	"fmt"
	"strings"
	"time"
)

func (a *app) printIngest(doc ingestDoc, watching bool) error {
	if a.json {
		return a.printJSON(doc)
	}
	head := fmt.Sprintf("%s in the source, %s new", plural(doc.Listed, "file"), number(doc.Registered))
	if watching {
		head = time.Now().Format("15:04:05 ") + head
	}
	fmt.Fprintln(a.stdout, head)
	if loads(doc) > 0 {
		if err := loadGrid(doc).write(a.stdout); err != nil {
			return err
		}
	}
	if doc.SetAside > 0 {
		fmt.Fprintf(a.stdout, "%s set aside, because no table takes them. %s tells why.\n",
			plural(doc.SetAside, "file"), a.command("status --files --status set_aside"))
	}
	for _, t := range doc.Tables {
		a.printUnfinished(t)
	}
	return nil
}

func loadGrid(doc ingestDoc) *grid {
	g := newGrid("TABLE", "LOAD", ">EPOCH", ">FILES", ">READ", ">INSERTED", ">UPDATED", ">DELETED",
		">UNCHANGED", ">SUPERSEDED", ">FILTERED", "SNAPSHOT", ">TOOK")
	for _, t := range doc.Tables {
		for _, l := range t.Loads {
			c, kind := l.Counts, l.Kind.String()
			if l.Found {
				kind += " (found)"
			}
			g.add(t.Table, kind, number(l.Epoch), number(len(l.Files)), number(c.Read), number(c.Inserted),
				number(c.Updated), number(c.Deleted), number(c.Unchanged), number(c.Superseded), number(c.Filtered),
				clean(l.Snapshot), took(time.Duration(l.TookSeconds*float64(time.Second))))
		}
	}
	return g
}

// printUnfinished says why a table did not finish and how to go on.
func (a *app) printUnfinished(t tableDoc) {
	switch t.Outcome {
	case "paused":
		fmt.Fprintf(a.stdout, "\n%s is paused: %s\n", t.Table, clean(t.Reason))
		a.printWaysOn(t)
	case "failed":
		fmt.Fprintf(a.stdout, "\n%s is not finished: %s\n", t.Table, clean(t.Reason))
	case "waits":
		fmt.Fprintf(a.stdout, "\n%s waits: %s", t.Table, clean(t.Reason))
		if t.WaitSeconds > 0 {
			fmt.Fprintf(a.stdout, " (up to %s)", took(time.Duration(t.WaitSeconds*float64(time.Second))))
		}
		fmt.Fprintln(a.stdout)
		if strings.Contains(t.Reason, "is open with") {
			fmt.Fprintf(a.stdout, "  %s\n", a.command("complete "+t.Table)+"   if it has all its files")
		}
	}
}

func (a *app) printWaysOn(t tableDoc) {
	ways := [][2]string{{"resume " + t.Table, "go on where it stopped"}}
	if t.Paused != nil && (t.Paused.LoadID != "" || t.Paused.File != "") {
		ways = [][2]string{
			{"retry " + t.Table, "try what failed again, once the cause is mended"},
			{"skip " + t.Table, "pass over what failed for good"},
			{"reload " + t.Table, "load the table again from its last full load"},
		}
	}
	width := 0
	for _, w := range ways {
		width = max(width, len(a.command(w[0])))
	}
	for _, w := range ways {
		fmt.Fprintf(a.stdout, "  %-*s   %s\n", width, a.command(w[0]), w[1])
	}
}

// command is how to call the command again with the same config.
func (a *app) command(args string) string {
	if a.configPath == "tidemark.yaml" {
		return "tidemark " + args
	}
	path := a.configPath
	if strings.ContainsAny(path, " '\"$&;()\\") {
		path = "'" + strings.ReplaceAll(path, "'", `'\''`) + "'"
	}
	return "tidemark -c " + path + " " + args
}
