package config

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Problem is one thing wrong with a config file.
type Problem struct {
	// File is the file's name as it was given, Line counts from 1.
	File string
	Line int
	// Key is the path of the key, as "tables[0].columns.ccn"; empty where the
	// file as a whole is meant.
	Key string
	// Text says what is wrong.
	Text string
}

func (p Problem) Error() string {
	var b strings.Builder
	b.WriteString(p.File + ":" + strconv.Itoa(p.Line) + ": ")
	if p.Key != "" {
		b.WriteString(printable(p.Key) + ": ")
	}
	b.WriteString(p.Text)
	return b.String()
}

// Problems are all things wrong with a config file, in the order of its lines.
type Problems []Problem

func (ps Problems) Error() string {
	lines := make([]string, len(ps))
	for i, p := range ps {
		lines[i] = p.Error()
	}
	return strings.Join(lines, "\n")
}

// Unwrap lets errors.As find a Problem.
func (ps Problems) Unwrap() []error {
	errs := make([]error, len(ps))
	for i, p := range ps {
		errs[i] = p
	}
	return errs
}

// decoder collects the problems of one file.
type decoder struct {
	file     string
	source   string // folder that files land in, once it is known
	lake     *lake
	problems Problems
}

func (d *decoder) add(line int, key, format string, args ...any) {
	d.problems = append(d.problems, Problem{File: d.file, Line: max(line, 1), Key: key, Text: fmt.Sprintf(format, args...)})
}

// fail adds an error, one problem for each that it joins.
func (d *decoder) fail(line int, key string, err error) {
	if many, ok := err.(interface{ Unwrap() []error }); ok {
		for _, e := range many.Unwrap() {
			d.fail(line, key, e)
		}
		return
	}
	d.add(line, key, "%s", err)
}

func (d *decoder) err() error {
	if len(d.problems) == 0 {
		return nil
	}
	slices.SortStableFunc(d.problems, func(a, b Problem) int { return a.Line - b.Line })
	return d.problems
}

func printable(s string) string {
	for _, r := range s {
		if !strconv.IsPrint(r) {
			return strconv.Quote(s)
		}
	}
	return s
}
