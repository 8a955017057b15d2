package main

import (
	"context"
	"errors"
	"os"
	"path"
	"path/filepath"
	"time"

	"github.com/tidemark-data/etl"
	"github.com/tidemark-data/etl/check"
	"github.com/tidemark-data/etl/control/sqlitecontrol"
	"github.com/tidemark-data/etl/dispatch/sparkdispatch"
	"github.com/tidemark-data/etl/dispatch/sparkjob"
	"github.com/tidemark-data/etl/examples/quickstart/data"
	"github.com/tidemark-data/etl/format"
	"github.com/tidemark-data/etl/lock/sqlitelock"
	"github.com/tidemark-data/etl/sink/icebergsink"
	"github.com/tidemark-data/etl/source"
)

// incidents declares some columns of the quickstart's table.
func incidents(flag etl.JobFlag) etl.Table {
	return etl.Table{
		Name:      "mpd.incidents",
		Flag:      flag, // G: whatever is next for the table is a job
		Key:       []string{"ccn"},
		OrderBy:   []string{"updated_at"},
		Op:        etl.OpColumn{Column: "Op"},
		Format:    format.CSV{Header: true},
		Partition: []etl.PartitionField{{Column: "report_dat", Transform: "month"}},
		Columns: etl.Columns{
			{Name: "ccn", Type: etl.String, Doc: "Criminal complaint number"},
			{Name: "report_dat", Type: etl.TimestampTZ, Doc: "When it was reported"},
			{Name: "shift", Type: etl.String},
			{Name: "method", Type: etl.String},
			{Name: "offense", Type: etl.String},
			{Name: "block", Type: etl.String},
			{Name: "ward", Type: etl.Int},
			{Name: "latitude", Type: etl.Double},
			{Name: "longitude", Type: etl.Double},
			{Name: "updated_at", Type: etl.TimestampTZ, Doc: "When the change was made; null in the full load"},
		},
		Checks: []etl.TableCheck{ // which Spark makes before the commit, as this process would
			{Check: check.Complete("offense", 1)},
			{Check: check.Allowed("shift", "DAY", "EVENING", "MIDNIGHT")},
			{Check: check.Range("ward", "1", "8"), Action: etl.CheckWarn},
		},
	}
}

// lake is a folder with landed files, tables, and the runner that keeps one in step
// with the other.
type lake struct {
	dir     string
	sink    *icebergsink.Sink
	control *sqlitecontrol.Store
	runner  *etl.Runner
}

func openLake(ctx context.Context, dir string, s spark, flag etl.JobFlag) (*lake, error) {
	if err := os.MkdirAll(filepath.Join(dir, "landing"), 0o755); err != nil {
		return nil, err
	}
	sink, err := icebergsink.Open(ctx, icebergsink.Config{Warehouse: filepath.Join(dir, "warehouse"), Catalog: filepath.Join(dir, "catalog.db")})
	if err != nil {
		return nil, err
	}
	control, err := sqlitecontrol.Open(filepath.Join(dir, "control.db"))
	if err != nil {
		return nil, errors.Join(err, sink.Close())
	}
	l := &lake{dir: dir, sink: sink, control: control}
	jobs, err := dispatcher(dir, s)
	if err == nil {
		l.runner, err = etl.New(etl.Config{
			Source:     source.Dir(filepath.Join(dir, "landing")),
			Control:    control,
			Locker:     sqlitelock.New(control.DB()),
			Sink:       sink,
			Layout:     format.DMS{},
			Tables:     []etl.Table{incidents(flag)},
			Dispatcher: jobs,
			AwaitJobs:  true, // Ingest waits; a Lambda function would come back later
			JobPoll:    500 * time.Millisecond,
		})
	}
	if err != nil {
		return nil, errors.Join(err, l.close())
	}
	return l, nil
}

// dispatcher runs jobs on this machine. Spark fetches from Maven Central what it
// needs for Iceberg tables and for the catalog's SQLite file.
func dispatcher(dir string, s spark) (etl.Dispatcher, error) {
	return sparkdispatch.New(sparkdispatch.Config{
		Folder:   filepath.Join(dir, "jobs"),
		Command:  s.command,
		Python:   s.python,
		Master:   "local[*]",
		Packages: []string{sparkjob.IcebergPackage, sparkjob.SQLitePackage},
		Conf: map[string]string{
			"spark.driver.bindAddress": "127.0.0.1", "spark.driver.host": "127.0.0.1",
			"spark.ui.enabled": "false", "spark.sql.shuffle.partitions": "2",
		},
	})
}

func (l *lake) close() error { return errors.Join(l.sink.Close(), l.control.Close()) }

// step is something that happens to the landing folder.
type step struct {
	title string
	lands []landing
}

type landing struct{ name, clock string }

var steps = []step{
	{"A full load lands: 5,735 rows, some of them twice", []landing{{"LOAD00000001.csv.gz", "08:00:00"}}},
	{"Four files of changes land together", []landing{
		{"20240318-090000000.csv", "09:00:00"}, {"20240318-091500000.csv", "09:15:00"},
		{"20240318-093000000.csv", "09:30:00"}, {"20240318-094500000.csv", "09:45:00"},
	}},
	{"The file of 09:20 arrives late, with the next one", []landing{
		{"20240318-092000000.csv", "09:50:00"}, {"20240318-100000000.csv", "10:00:00"},
	}},
	{"The folder is looked at again: nothing is applied twice", nil},
}

const folder = "mpd/incidents" // schema/table, as AWS DMS writes it

// land puts files into the landing folder: under a name that the source leaves
// out, then renamed. Those that are there stay as they are.
func land(dir string, files []landing) error {
	for _, f := range files {
		target := filepath.Join(dir, "landing", filepath.FromSlash(folder), f.name)
		if _, err := os.Stat(target); err == nil {
			continue
		}
		content, err := data.Files.ReadFile(path.Join(folder, f.name))
		if err != nil {
			return err
		}
		at, err := time.Parse(time.DateTime, "2024-03-18 "+f.clock)
		if err != nil {
			return err
		}
		err = errors.Join(os.MkdirAll(filepath.Dir(target), 0o755), os.WriteFile(target+".part", content, 0o644))
		if err = errors.Join(err, os.Chtimes(target+".part", at, at)); err != nil {
			return err
		}
		if err := os.Rename(target+".part", target); err != nil {
			return err
		}
	}
	return nil
}
