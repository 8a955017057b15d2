package main

import (
	"fmt"
	"strings"

	"github.com/tidemark-data/etl"
	"github.com/tidemark-data/etl/bench/gen"
	"github.com/tidemark-data/etl/format"
)

// dataset is a table and how its files look, to Tidemark and to the peers.
type dataset struct {
	name   string // of the table, in the namespace bench
	table  etl.Table
	format format.CSV
	// timestamps is the peers' format of timestamps; empty is ISO.
	timestamps string
}

func orders() dataset {
	return dataset{
		name: "orders",
		table: etl.Table{
			Name: "bench.orders", Key: []string{"id"}, OrderBy: []string{"updated_at"},
			Op: etl.OpColumn{Column: "op"}, Columns: gen.Columns(),
		},
	}
}

// chicago are the crime reports of docs/data.md. Every row of a change file is
// an upsert.
func chicago() dataset {
	const clock = "01/02/2006 03:04:05 PM"
	return dataset{
		name:       "chicago",
		format:     format.CSV{Header: true},
		timestamps: "%m/%d/%Y %I:%M:%S %p",
		table: etl.Table{
			Name: "bench.chicago", Key: []string{"ID"}, OrderBy: []string{"Updated On"}, MaxBatchFiles: 1000, MaxBatchBytes: 1 << 30,
			Columns: etl.Columns{
				{Name: "ID", Type: etl.Long},
				{Name: "Case Number", Type: etl.String},
				{Name: "Date", Type: etl.Timestamp, Format: clock},
				{Name: "Block", Type: etl.String},
				{Name: "IUCR", Type: etl.String},
				{Name: "Primary Type", Type: etl.String},
				{Name: "Description", Type: etl.String},
				{Name: "Location Description", Type: etl.String},
				{Name: "Arrest", Type: etl.Bool},
				{Name: "Domestic", Type: etl.Bool},
				{Name: "Beat", Type: etl.String},
				{Name: "District", Type: etl.String},
				{Name: "Ward", Type: etl.Int},
				{Name: "Community Area", Type: etl.Int},
				{Name: "FBI Code", Type: etl.String},
				{Name: "X Coordinate", Type: etl.Int},
				{Name: "Y Coordinate", Type: etl.Int},
				{Name: "Updated On", Type: etl.Timestamp, Format: clock},
				{Name: "Latitude", Type: etl.Double},
				{Name: "Longitude", Type: etl.Double},
			},
		},
	}
}

func datasetNamed(name string) (dataset, error) {
	for _, d := range []dataset{orders(), chicago()} {
		if d.name == name {
			return d, nil
		}
	}
	return dataset{}, fmt.Errorf("no data set %q", name)
}

// peerColumn is a column as the peers' scripts read it from their arguments.
type peerColumn struct {
	Name string `json:"name"`
	Type string `json:"type"`
}

func (d dataset) peerColumns() []peerColumn {
	var out []peerColumn
	for _, c := range d.table.Columns {
		out = append(out, peerColumn{c.Name, c.Type.String()})
	}
	return out
}

// folder is where the table's files land, below the landing folder.
func (d dataset) folder() string { return strings.ReplaceAll(d.table.Name, ".", "/") }
