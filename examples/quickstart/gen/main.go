// Command gen makes the files in ../data from the crime incidents that Open Data
// DC publishes (see ../data/SOURCE.md). What it writes is committed; it is here
// to show how the files came about:
//
//	go run ./examples/quickstart/gen -source Crime_Incidents_in_2024.csv
//
// The full load has the published rows as they are, their duplicates included,
// with the names of the columns in lower case and an empty column updated_at.
// The change files are made up from them, in the form in which AWS DMS writes
// changes.
package main

import (
	"bytes"
	"compress/gzip"
	"encoding/csv"
	"errors"
	"flag"
	"fmt"
	"log"
	"os"
	"path/filepath"
	"strings"
)

func main() {
	source := flag.String("source", "Crime_Incidents_in_2024.csv", "the published CSV")
	out := flag.String("out", "examples/quickstart/data", "where to write")
	flag.Parse()
	if err := generate(*source, filepath.Join(*out, "mpd", "incidents")); err != nil {
		log.Fatal(err)
	}
}

const bom = "\ufeff"

func generate(source, folder string) error {
	text, err := os.ReadFile(source)
	if err != nil {
		return err
	}
	header, body, ok := strings.Cut(strings.TrimPrefix(string(text), bom), "\n")
	if !ok {
		return errors.New("the source has no rows")
	}
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return err
	}
	names := strings.ToLower(strings.TrimSpace(header)) + ",updated_at"
	if err := writeFull(filepath.Join(folder, "LOAD00000001.csv.gz"), names, body); err != nil {
		return err
	}
	rows, err := csv.NewReader(strings.NewReader(body)).ReadAll()
	if err != nil {
		return err
	}
	for _, f := range newStory(strings.Split(names, ","), rows).files() {
		if err := writeChanges(filepath.Join(folder, f.name), names, f.rows); err != nil {
			return err
		}
	}
	return nil
}

// writeFull appends an empty field to each line of body. No field of the source
// has a line break.
func writeFull(path, names, body string) error {
	var b bytes.Buffer
	z, err := gzip.NewWriterLevel(&b, gzip.BestCompression)
	if err != nil {
		return err
	}
	fmt.Fprintf(z, "%s%s\r\n", bom, names)
	for line := range strings.Lines(body) {
		fmt.Fprintf(z, "%s,\r\n", strings.TrimRight(line, "\r\n"))
	}
	if err := z.Close(); err != nil {
		return err
	}
	return os.WriteFile(path, b.Bytes(), 0o644)
}

func writeChanges(path, names string, rows [][]string) error {
	var b bytes.Buffer
	w := csv.NewWriter(&b)
	if err := w.Write(strings.Split("Op,"+names, ",")); err != nil {
		return err
	}
	if err := w.WriteAll(rows); err != nil {
		return err
	}
	return os.WriteFile(path, b.Bytes(), 0o644)
}
