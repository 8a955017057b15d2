package main

import (
	"context"
	"errors"
	"os"
	"path/filepath"

	"github.com/tidemark-data/etl"
	"github.com/tidemark-data/etl/control/sqlitecontrol"
	"github.com/tidemark-data/etl/format"
	"github.com/tidemark-data/etl/lock/sqlitelock"
	"github.com/tidemark-data/etl/sink/icebergsink"
	"github.com/tidemark-data/etl/source"
)

// incidents declares the table. Only the columns named here are read.
func incidents() etl.Table {
	return etl.Table{
		Name:      "mpd.incidents",
		Key:       []string{"ccn"},
		OrderBy:   []string{"updated_at"}, // of two changes the later one wins
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
			{Name: "xblock", Type: etl.Double, Doc: "Maryland State Plane, meters"},
			{Name: "yblock", Type: etl.Double, Doc: "Maryland State Plane, meters"},
			{Name: "ward", Type: etl.Int},
			{Name: "anc", Type: etl.String},
			{Name: "district", Type: etl.Int},
			{Name: "psa", Type: etl.Int},
			{Name: "neighborhood_cluster", Type: etl.String},
			{Name: "block_group", Type: etl.String},
			{Name: "census_tract", Type: etl.String}, // has leading zeros
			{Name: "voting_precinct", Type: etl.String},
			{Name: "latitude", Type: etl.Double},
			{Name: "longitude", Type: etl.Double},
			{Name: "bid", Type: etl.String},
			{Name: "start_date", Type: etl.TimestampTZ},
			{Name: "end_date", Type: etl.TimestampTZ},
			{Name: "objectid", Type: etl.Long},
			{Name: "updated_at", Type: etl.TimestampTZ, Doc: "When the change was made; null in the full load"},
		},
	}
}

// lake is a folder with landed files, an Iceberg catalog, and the runner that
// keeps one in step with the other.
type lake struct {
	dir     string
	sink    *icebergsink.Sink
	control *sqlitecontrol.Store
	runner  *etl.Runner
}

func openLake(ctx context.Context, dir string) (*lake, error) {
	landing := filepath.Join(dir, "landing")
	if err := os.MkdirAll(landing, 0o755); err != nil {
		return nil, err
	}
	if err := writeConfig(dir); err != nil {
		return nil, err
	}
	sink, err := icebergsink.Open(ctx, icebergsink.Config{
		Warehouse: filepath.Join(dir, "warehouse"),
		Catalog:   filepath.Join(dir, "catalog.db"),
	})
	if err != nil {
		return nil, err
	}
	control, err := sqlitecontrol.Open(filepath.Join(dir, "control.db"))
	if err != nil {
		return nil, errors.Join(err, sink.Close())
	}
	l := &lake{dir: dir, sink: sink, control: control}
	l.runner, err = etl.New(etl.Config{
		Source:  source.Dir(landing),
		Control: control,
		Locker:  sqlitelock.New(control.DB()),
		Sink:    sink,
		Layout:  format.DMS{},
		Tables:  []etl.Table{incidents()},
	})
	if err != nil {
		return nil, errors.Join(err, l.Close())
	}
	return l, nil
}

func (l *lake) Close() error { return errors.Join(l.sink.Close(), l.control.Close()) }
