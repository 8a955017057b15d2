package otelobserver_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	"go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"github.com/tidemark-data/etl"
	"github.com/tidemark-data/etl/control"
	"github.com/tidemark-data/etl/format"
	"github.com/tidemark-data/etl/lock"
	"github.com/tidemark-data/etl/observer/otelobserver"
	"github.com/tidemark-data/etl/sink"
	"github.com/tidemark-data/etl/source"
)

type telemetry struct {
	spans  *tracetest.SpanRecorder
	reader *metric.ManualReader
	etl.Observer
}

func newTelemetry(t *testing.T) telemetry {
	x := telemetry{spans: tracetest.NewSpanRecorder(), reader: metric.NewManualReader()}
	var err error
	x.Observer, err = otelobserver.New(trace.NewTracerProvider(trace.WithSpanProcessor(x.spans)), metric.NewMeterProvider(metric.WithReader(x.reader)))
	require.NoError(t, err)
	return x
}

// sums returns each counter's points by name and, where it has one, by the
// attribute that tells them apart.
func (x telemetry) sums(t *testing.T, by attribute.Key) map[string]int64 {
	var rm metricdata.ResourceMetrics
	require.NoError(t, x.reader.Collect(context.Background(), &rm))
	out := map[string]int64{}
	for _, scope := range rm.ScopeMetrics {
		for _, m := range scope.Metrics {
			data, ok := m.Data.(metricdata.Sum[int64])
			if !ok {
				continue
			}
			for _, p := range data.DataPoints {
				name := m.Name
				if v, ok := p.Attributes.Value(by); ok {
					name += " " + v.AsString()
				}
				out[name] += p.Value
			}
		}
	}
	return out
}

// A runner with the observer: a good load, a change file, a bad one.
func TestLoadsOfARunner(t *testing.T) {
	x := newTelemetry(t)
	src := source.NewMemory()
	runner, err := etl.New(etl.Config{
		Source: src, Control: control.NewMemory(), Locker: lock.NewMemory(), Sink: sink.NewMemory(), Layout: format.DMS{}, Observer: x.Observer,
		Tables: []etl.Table{{
			Name: "hr.people", Key: []string{"id"}, Op: etl.OpColumn{Column: "op"}, Format: format.CSV{},
			Columns: etl.Columns{{Name: "id", Type: etl.Long}, {Name: "name", Type: etl.String}},
		}},
	})
	require.NoError(t, err)
	src.Put("hr/people/LOAD00000001.csv", []byte("1,Ann\n2,Bob\n2,Ben\n"), time.Now().Add(-time.Hour))
	src.Put("hr/people/20240220-110825123.csv", []byte("U,1,Anna\nD,2,\n"), time.Now())
	_, err = runner.Ingest(context.Background())
	require.NoError(t, err)
	src.Put("hr/people/20240221-110825123.csv", []byte("U,one,Anna\n"), time.Now())
	_, err = runner.Ingest(context.Background())
	require.Error(t, err)

	ended := x.spans.Ended()
	require.Len(t, ended, 3)
	require.Equal(t, codes.Ok, ended[0].Status().Code)
	require.Equal(t, codes.Ok, ended[1].Status().Code)
	require.Equal(t, codes.Error, ended[2].Status().Code)
	require.Contains(t, ended[0].Attributes(), attribute.Int64("tidemark.rows.read", 3))
	require.Contains(t, ended[1].Attributes(), attribute.String("tidemark.load.kind", "incremental"))

	fates := x.sums(t, "fate")
	require.EqualValues(t, 2, fates["tidemark.rows inserted"])
	require.EqualValues(t, 1, fates["tidemark.rows superseded"])
	require.EqualValues(t, 1, fates["tidemark.rows updated"])
	require.EqualValues(t, 1, fates["tidemark.rows deleted"])
	require.EqualValues(t, 2, fates["tidemark.loads"])
	require.EqualValues(t, 3, fates["tidemark.files.registered"])
	require.EqualValues(t, 1, fates["tidemark.tables.paused"])
	require.EqualValues(t, 1, x.sums(t, "outcome")["tidemark.load.failures terminal"])
}

func TestALoadBegunAgainEndsTheSpanBefore(t *testing.T) {
	x := newTelemetry(t)
	l := etl.Load{ID: "l", Table: "hr.people"}
	x.LoadPlanned(l)
	x.LoadPlanned(l)
	require.Len(t, x.spans.Ended(), 1)
	require.Equal(t, codes.Error, x.spans.Ended()[0].Status().Code)
	x.LoadFailed(l, errors.New("slow"), 1, time.Second)
	x.LoadApplied(l, etl.Receipt{}, time.Second)
	require.Len(t, x.spans.Ended(), 2)
	require.Equal(t, "attempt failed", x.spans.Ended()[1].Events()[0].Name)
	x.LoadApplied(l, etl.Receipt{}, time.Second) // without a span
}
