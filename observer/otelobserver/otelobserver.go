// Package otelobserver tells OpenTelemetry what a Runner does: a span for each
// load, and metrics of loads, rows and files.
//
// Spans are named "tidemark.load". They carry the load's ID, epoch and kind, the
// number of its files and what its commit did. Metrics have few attributes of few
// values (table, kind, fate, outcome), so that they stay cheap. Nothing holds a
// cell value.
package otelobserver

import (
	"context"
	"fmt"
	"sync"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/trace"

	"github.com/tidemark-data/etl"
)

const scope = "github.com/tidemark-data/etl"

// New returns an observer that reports to the providers. It returns an error if
// an instrument cannot be made.
//
// Metrics: tidemark.loads and tidemark.load.failures (counts), tidemark.rows (by
// fate), tidemark.files.registered and tidemark.files.applied,
// tidemark.bytes.written (By), tidemark.load.duration and tidemark.lag (s, from
// the landing of a load's first file to its commit), tidemark.tables.paused.
func New(tracers trace.TracerProvider, meters metric.MeterProvider) (etl.Observer, error) {
	o := &observer{tracer: tracers.Tracer(scope), spans: map[string]trace.Span{}}
	if err := o.instruments(meters.Meter(scope)); err != nil {
		return etl.Observer{}, fmt.Errorf("otelobserver: %w", err)
	}
	return etl.Observer{
		Registered: o.onRegistered, LoadPlanned: o.onPlanned, LoadApplied: o.onApplied, LoadFailed: o.onFailed, Paused: o.onPaused,
	}, nil
}

type observer struct {
	tracer trace.Tracer

	loads, failures, rows, registered, files, bytes, paused metric.Int64Counter
	duration, lag                                           metric.Float64Histogram

	mu    sync.Mutex
	spans map[string]trace.Span // by load, of those under way
}

func (o *observer) instruments(m metric.Meter) error {
	for _, c := range []struct {
		to                *metric.Int64Counter
		name, unit, about string
	}{
		{&o.loads, "tidemark.loads", "{load}", "Loads applied."},
		{&o.failures, "tidemark.load.failures", "{attempt}", "Attempts at a load that did not go through."},
		{&o.rows, "tidemark.rows", "{row}", "Rows read from files, by what became of them."},
		{&o.registered, "tidemark.files.registered", "{file}", "Files new to the ledger."},
		{&o.files, "tidemark.files.applied", "{file}", "Files applied."},
		{&o.bytes, "tidemark.bytes.written", "By", "Bytes of data and delete files written."},
		{&o.paused, "tidemark.tables.paused", "{pause}", "Times that a table was paused."},
	} {
		var err error
		if *c.to, err = m.Int64Counter(c.name, metric.WithUnit(c.unit), metric.WithDescription(c.about)); err != nil {
			return err
		}
	}
	var err error
	if o.duration, err = m.Float64Histogram("tidemark.load.duration", metric.WithUnit("s"), metric.WithDescription("From the intent to the record of a load.")); err != nil {
		return err
	}
	o.lag, err = m.Float64Histogram("tidemark.lag", metric.WithUnit("s"), metric.WithDescription("From the landing of a load's first file to its commit."))
	return err
}

func of(table string, more ...attribute.KeyValue) metric.MeasurementOption {
	return metric.WithAttributes(append(more, attribute.String("table", table))...)
}

func (o *observer) onRegistered(r etl.FileRecord) {
	o.registered.Add(context.Background(), 1, of(r.Table, attribute.String("kind", r.Kind.String())))
}

func (o *observer) onPlanned(l etl.Load) {
	_, span := o.tracer.Start(context.Background(), "tidemark.load", trace.WithAttributes(
		attribute.String("tidemark.table", l.Table), attribute.String("tidemark.load.id", l.ID),
		attribute.String("tidemark.load.kind", l.Kind.String()), attribute.Int64("tidemark.epoch", l.Epoch),
		attribute.Int("tidemark.files", len(l.Files)), attribute.Int64("tidemark.fence", l.Fence),
	))
	o.mu.Lock()
	before := o.spans[l.ID]
	o.spans[l.ID] = span
	o.mu.Unlock()
	if before != nil { // of an attempt that nobody told the end of
		before.SetStatus(codes.Error, "begun again")
		before.End()
	}
}

// take returns the span of a load and forgets it.
func (o *observer) take(id string) trace.Span {
	o.mu.Lock()
	defer o.mu.Unlock()
	span := o.spans[id]
	delete(o.spans, id)
	if span == nil {
		span = trace.SpanFromContext(context.Background()) // does nothing
	}
	return span
}

func (o *observer) onApplied(l etl.Load, r etl.Receipt, took time.Duration) {
	ctx := context.Background()
	c := r.Counts
	span := o.take(l.ID)
	span.SetAttributes(
		attribute.String("tidemark.snapshot", r.Snapshot), attribute.Int64("tidemark.rows.read", c.Read), attribute.Int64("tidemark.rows.after", c.RowsAfter),
		attribute.Int("tidemark.files.written", r.FilesWritten), attribute.Int64("tidemark.bytes.written", r.BytesWritten), attribute.Bool("tidemark.found", r.Found),
	)
	span.SetStatus(codes.Ok, "")
	span.End()

	kind := attribute.String("kind", l.Kind.String())
	o.loads.Add(ctx, 1, of(l.Table, kind))
	o.files.Add(ctx, int64(len(l.Files)), of(l.Table, kind))
	o.bytes.Add(ctx, r.BytesWritten, of(l.Table))
	o.duration.Record(ctx, took.Seconds(), of(l.Table, kind))
	for _, f := range []struct {
		fate string
		n    int64
	}{
		{"inserted", c.Inserted}, {"updated", c.Updated}, {"deleted", c.Deleted}, {"unchanged", c.Unchanged},
		{"superseded", c.Superseded}, {"filtered", c.Filtered}, {"quarantined", c.Quarantined},
	} {
		if f.n > 0 {
			o.rows.Add(ctx, f.n, of(l.Table, attribute.String("fate", f.fate)))
		}
	}
	if first := landed(l); !first.IsZero() && !r.Committed.IsZero() {
		o.lag.Record(ctx, max(0, r.Committed.Sub(first).Seconds()), of(l.Table))
	}
}

func landed(l etl.Load) (first time.Time) {
	for _, f := range l.Files {
		if !f.ModTime.IsZero() && (first.IsZero() || f.ModTime.Before(first)) {
			first = f.ModTime
		}
	}
	return first
}

func (o *observer) onFailed(l etl.Load, err error, attempt int, retryIn time.Duration) {
	outcome := etl.OutcomeOf(err).String()
	o.failures.Add(context.Background(), 1, of(l.Table, attribute.String("outcome", outcome)))
	if retryIn < 0 {
		span := o.take(l.ID)
		span.RecordError(err)
		span.SetStatus(codes.Error, outcome)
		span.End()
		return
	}
	o.mu.Lock()
	span := o.spans[l.ID]
	o.mu.Unlock()
	if span != nil {
		span.AddEvent("attempt failed", trace.WithAttributes(attribute.Int("attempt", attempt), attribute.String("outcome", outcome), attribute.String("error", err.Error())))
	}
}

func (o *observer) onPaused(table string, d etl.Diagnosis) {
	o.paused.Add(context.Background(), 1, of(table))
}
