package main

import (
	"fmt"
	"strings"

	"github.com/tidemark-data/etl/profile"
)

func (a *app) printProfile(p profile.Profile, values bool) error {
	if !values {
		p = p.WithoutValues()
	}
	if a.json {
		return a.printJSON(p)
	}
	titles := []string{"COLUMN", "TYPE", ">VALUES", ">NULLS", ">COMPLETE", ">DISTINCT"}
	if values {
		titles = append(titles, "LEAST", "GREATEST")
	}
	g := newGrid(titles...)
	for _, c := range p.Columns {
		cells := []string{clean(c.Name), c.Type.String(), "-", "-", "-", "-"}
		if !c.Missing {
			cells = []string{clean(c.Name), c.Type.String(), number(c.Values), number(c.Nulls), percent(c.Complete()), number(c.Distinct)}
		}
		if values {
			cells = append(cells, bound(c.Min), bound(c.Max))
		}
		g.add(cells...)
	}
	if _, err := fmt.Fprintf(a.stdout, "%s\n\n", plural(int(p.Rows), "row")); err != nil {
		return err
	}
	return g.write(a.stdout)
}

// percent writes a share so that only the whole reads 100 %.
func percent(share float64) string {
	if share < 1 && share > 0.9999 {
		share = 0.9999
	}
	return fmt.Sprintf("%.2f%%", 100*share)
}

// bound writes a least or greatest value.
func bound(s *string) string {
	if s == nil {
		return "-"
	}
	const most = 40
	if r := []rune(*s); len(r) > most {
		return clean(string(r[:most])) + "..."
	}
	return clean(*s)
}

func (a *app) printComparison(c profile.Comparison, values bool) error {
	if !values {
		c = c.WithoutValues()
	}
	if a.json {
		return a.printJSON(c)
	}
	titles := []string{"COLUMN", "VERDICT", "TYPE", ">VALUES", ">NULLS", ">DISTINCT"}
	if values {
		titles = append(titles, "LEAST", "GREATEST")
	}
	g := newGrid(append(titles, "DIFFERS")...)
	rows := []string{"(rows)", verdictText(c.RowsMatch), "", both(number(c.SourceRows), number(c.TableRows)), "", ""}
	if values {
		rows = append(rows, "", "")
	}
	g.add(append(rows, "")...)
	for _, v := range c.Columns {
		s, t := v.Source, v.Table
		cells := []string{
			clean(v.Name), verdictText(v.Match), both(s.Type.String(), t.Type.String()), both(number(s.Values), number(t.Values)),
			both(number(s.Nulls), number(t.Nulls)), both(number(s.Distinct), number(t.Distinct)),
		}
		if values {
			cells = append(cells, both(bound(s.Min), bound(t.Min)), both(bound(s.Max), bound(t.Max)))
		}
		g.add(append(cells, strings.Join(v.Differs, ", "))...)
	}
	if _, err := fmt.Fprintf(a.stdout, "%s; where source and table differ: source / table\n\n", verdictText(c.Match)); err != nil {
		return err
	}
	return g.write(a.stdout)
}

func verdictText(match bool) string {
	if match {
		return "Match"
	}
	return "No match"
}

// both writes what source and table say.
func both(source, table string) string {
	if source == table {
		return table
	}
	return source + " / " + table
}
