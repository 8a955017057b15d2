package main

import (
	"bytes"
	"context"
	"os"
	"path"
	"path/filepath"
	"time"

	"github.com/tidemark-data/etl"
)

const folder = "mpd/incidents" // schema/table, as AWS DMS writes it

// landing is a file and when it lands.
type landing struct{ name, clock string }

// step is something that happens to the landing folder.
type step struct {
	title string
	lands []landing
	// events is how often the runner is told of the files, instead of looking
	// into the folder itself.
	events int
}

var steps = []step{
	{title: "A full load lands: 5,735 rows, some of them twice", lands: []landing{
		{"LOAD00000001.csv.gz", "08:00:00"},
	}},
	{title: "Two files of changes land together, with several changes to the same incidents", lands: []landing{
		{"20240318-090000000.csv", "09:00:00"},
		{"20240318-091500000.csv", "09:15:00"},
	}},
	{title: "Two more", lands: []landing{
		{"20240318-093000000.csv", "09:30:00"},
		{"20240318-094500000.csv", "09:45:00"},
	}},
	{title: "The file of 09:20 arrives late: what is older than the table loses", lands: []landing{
		{"20240318-092000000.csv", "09:50:00"},
	}},
	{title: "The events of a file come twice in one call", events: 2, lands: []landing{
		{"20240318-100000000.csv", "10:00:00"},
	}},
	{title: "The whole folder is looked at again: nothing is applied twice"},
}

func (l *lake) step(ctx context.Context, s step) (etl.Report, error) {
	var shown []etl.File
	for _, f := range s.lands {
		file, err := land(l.dir, f)
		if err != nil {
			return etl.Report{}, err
		}
		for range s.events {
			shown = append(shown, file)
		}
	}
	return l.runner.Ingest(ctx, shown...) // without files it lists the folder
}

// land puts an embedded file into the landing folder. The time is set because
// changes that landed before their full load are taken to be part of it. A file
// that is there already stays as it is.
func land(dir string, f landing) (etl.File, error) {
	location := path.Join(folder, f.name)
	content, err := files.ReadFile(path.Join("data", location))
	if err != nil {
		return etl.File{}, err
	}
	at, err := time.Parse(time.DateTime, "2024-03-18 "+f.clock)
	if err != nil {
		return etl.File{}, err
	}
	file := etl.File{Location: location, Size: int64(len(content)), ModTime: at}
	target := filepath.Join(dir, "landing", filepath.FromSlash(location))
	if info, err := os.Stat(target); err == nil && info.Size() == file.Size && info.ModTime().Equal(at) {
		return file, nil
	}
	return file, replace(target, content, at)
}

// replace writes under a name that the source leaves out, and renames.
func replace(target string, content []byte, at time.Time) error {
	if err := os.MkdirAll(filepath.Dir(target), 0o755); err != nil {
		return err
	}
	temporary := target + ".part"
	if err := os.WriteFile(temporary, content, 0o644); err != nil {
		return err
	}
	if err := os.Chtimes(temporary, at, at); err != nil {
		return err
	}
	return os.Rename(temporary, target)
}

// writeConfig puts the config file of the tidemark command beside the lake.
func writeConfig(dir string) error {
	content, err := files.ReadFile("tidemark.yaml")
	if err != nil {
		return err
	}
	target := filepath.Join(dir, "tidemark.yaml")
	if old, err := os.ReadFile(target); err == nil && bytes.Equal(old, content) {
		return nil
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	return os.WriteFile(target, content, 0o644)
}
