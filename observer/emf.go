package observer

import (
	"encoding/json"
	"io"
	"sync"
	"time"

	"github.com/tidemark-data/etl"
)

// EMF writes metrics of loads in CloudWatch's embedded metric format (Amazon
// CloudWatch User Guide, "Specification: Embedded metric format"), a line of JSON
// for each event. A Lambda function that writes them to its standard output has
// them as metrics without any call to CloudWatch.
//
// The only dimension is the table, since each combination of dimensions is a
// metric that is paid for. Load, epoch, kind and file are properties: they can
// be searched for in the log and cost nothing. No line holds a cell value.
type EMF struct {
	// Writer takes the lines, one Write each; required. It is used by one
	// goroutine at a time. Errors of it are ignored.
	Writer io.Writer
	// Namespace is that of the metrics; empty is "Tidemark".
	Namespace string
	// Now is the clock; nil is time.Now.
	Now func() time.Time
}

type metric struct {
	Name string `json:"Name"`
	Unit string `json:"Unit"`
}

type directive struct {
	Namespace  string     `json:"Namespace"`
	Dimensions [][]string `json:"Dimensions"`
	Metrics    []metric   `json:"Metrics"`
}

type metadata struct {
	Timestamp         int64       `json:"Timestamp"`
	CloudWatchMetrics []directive `json:"CloudWatchMetrics"`
}

// value is a metric and what was measured.
type value struct {
	metric
	of any
}

func count[T int | int64](name string, n T) value { return value{metric{name, "Count"}, n} }

// Observer returns the observer that writes the lines.
//
// Metrics of a load applied: LoadsApplied, LoadTime and Lag (milliseconds from
// the landing of its first file to the commit), FilesApplied, FilesWritten,
// BytesWritten, and the rows by fate (RowsRead, RowsInserted and so on). Others:
// LoadsFailed for each attempt that did not go through, TablesPaused.
func (e EMF) Observer() etl.Observer {
	if e.Namespace == "" {
		e.Namespace = "Tidemark"
	}
	if e.Now == nil {
		e.Now = time.Now
	}
	var mu sync.Mutex
	emit := func(table string, properties map[string]any, values ...value) {
		line := e.line(table, properties, values)
		mu.Lock()
		defer mu.Unlock()
		_, _ = e.Writer.Write(line)
	}
	return etl.Observer{
		LoadApplied: func(l etl.Load, r etl.Receipt, took time.Duration) {
			emit(l.Table, loadProperties(l, map[string]any{"Snapshot": r.Snapshot}), e.applied(l, r, took)...)
		},
		LoadFailed: func(l etl.Load, err error, attempt int, _ time.Duration) {
			emit(l.Table, loadProperties(l, map[string]any{"Outcome": etl.OutcomeOf(err).String(), "Attempt": attempt}), count("LoadsFailed", 1))
		},
		Paused: func(table string, d etl.Diagnosis) {
			emit(table, map[string]any{"Load": d.LoadID, "File": d.File, "Row": d.Row, "Column": d.Column, "Rule": d.Rule}, count("TablesPaused", 1))
		},
	}
}

func (e EMF) applied(l etl.Load, r etl.Receipt, took time.Duration) []value {
	c := r.Counts
	values := []value{
		count("LoadsApplied", 1),
		{metric{"LoadTime", "Milliseconds"}, took.Milliseconds()},
		count("FilesApplied", len(l.Files)),
		count("FilesWritten", r.FilesWritten),
		{metric{"BytesWritten", "Bytes"}, r.BytesWritten},
		count("RowsRead", c.Read), count("RowsInserted", c.Inserted), count("RowsUpdated", c.Updated), count("RowsDeleted", c.Deleted),
		count("RowsUnchanged", c.Unchanged), count("RowsSuperseded", c.Superseded), count("RowsFiltered", c.Filtered),
		count("RowsQuarantined", c.Quarantined), count("RowsInTable", c.RowsAfter),
	}
	var first time.Time
	for _, f := range l.Files {
		if !f.ModTime.IsZero() && (first.IsZero() || f.ModTime.Before(first)) {
			first = f.ModTime
		}
	}
	if !first.IsZero() {
		values = append(values, value{metric{"Lag", "Milliseconds"}, max(0, e.Now().Sub(first).Milliseconds())})
	}
	return values
}

func loadProperties(l etl.Load, more map[string]any) map[string]any {
	more["Load"], more["Epoch"], more["Kind"] = l.ID, l.Epoch, l.Kind.String()
	return more
}

func (e EMF) line(table string, properties map[string]any, values []value) []byte {
	d := directive{Namespace: e.Namespace, Dimensions: [][]string{{"Table"}}}
	root := properties
	root["Table"] = table
	for _, v := range values {
		d.Metrics = append(d.Metrics, v.metric)
		root[v.Name] = v.of
	}
	root["_aws"] = metadata{Timestamp: e.Now().UnixMilli(), CloudWatchMetrics: []directive{d}}
	line, err := json.Marshal(root)
	if err != nil {
		return nil // cannot be: strings and numbers
	}
	return append(line, '\n')
}
