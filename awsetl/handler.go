package awsetl

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/aws/aws-lambda-go/events"

	"github.com/tidemark-data/etl"
	"github.com/tidemark-data/etl/observer"
)

// Handler handles the events of a Lambda function. It is safe for concurrent
// use, also beside other functions and services that work on the same stores.
type Handler struct {
	cfg    etl.Config
	parts  Parts
	runner *etl.Runner
	log    *slog.Logger

	mu      sync.Mutex
	due     map[string]time.Time // when the wake-up of a table arrives that was sent last
	warned  map[string]bool      // of what there was a warning
	notices []Notice             // not sent yet

	sending sync.Mutex // held while notices are sent

	closers []func() error
}

// Config.Margin, Config.MaxBegins and Config.JobPoll of a Handler where they are zero.
const (
	defaultMargin    = time.Minute
	defaultMaxBegins = 4
	defaultJobPoll   = time.Minute
)

// NewHandler returns a Handler over any stores. It makes the Runner from cfg, to
// whose Observer it adds its own. Margin and MaxBegins are 1 minute and 4 where
// they are zero, since invocations end by the clock.
func NewHandler(cfg etl.Config, parts Parts) (*Handler, error) {
	h := &Handler{parts: parts.withDefaults(), due: map[string]time.Time{}, warned: map[string]bool{}}
	orElse(&cfg.Margin, defaultMargin)
	orElse(&cfg.MaxBegins, defaultMaxBegins)
	orElse(&cfg.JobPoll, defaultJobPoll)
	cfg.AwaitJobs = false
	orElse(&cfg.LeaseTTL, time.Minute)
	orElse(&cfg.Parallel, 4)
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	cfg.Tables = h.parts.forEvents(cfg.Tables)
	cfg.Observer = observer.Join(cfg.Observer, h.observer())
	p := h.parts
	if p.Grace < 0 || p.Linger < 0 || p.MaxHops < 0 || p.Heartbeat < 0 {
		return nil, errors.New("awsetl: times and limits must not be negative")
	}
	var err error
	if h.runner, err = etl.New(cfg); err != nil {
		return nil, err
	}
	if h.parts.Landing == nil {
		h.parts.Landing = landingOf(cfg.Source)
	}
	h.cfg, h.log = cfg, cfg.Logger
	return h, nil
}

// Runner is the one that the Handler works with.
func (h *Handler) Runner() *etl.Runner { return h.runner }

// Handle handles one event. For an SQS batch it returns an
// events.SQSEventResponse with the messages that are to come again, for all else
// an [Answer]. The error is not nil where the whole event is to come again:
// what it tells of could not be put into the ledger, or it is malformed. What
// comes of the work itself is in the ledger, and in the Answer.
//
// The event source mapping of a queue must have ReportBatchItemFailures among its
// function response types, else SQS takes every message for done.
func (h *Handler) Handle(ctx context.Context, raw json.RawMessage) (any, error) {
	doc, err := parse(raw)
	if err != nil {
		return h.misunderstood(ctx, doc, err)
	}
	c := h.newCall(doc)
	work, cancel := h.working(ctx)
	defer cancel()
	if end, ok := work.Deadline(); ok {
		c.tooShort = time.Until(end) < h.cfg.Margin
	}
	stop := c.heartbeats(ctx)
	defer stop()
	c.record(work)
	c.drain(work)
	after, done := context.WithTimeout(context.WithoutCancel(ctx), h.parts.Grace)
	defer done()
	c.wake(after)
	stop()
	c.settleTokens(after)
	h.sendNotices(after)
	return c.result()
}

// misunderstood answers a document that could not be read.
func (h *Handler) misunderstood(ctx context.Context, doc document, err error) (any, error) {
	h.log.Error("event not understood", "error", err)
	if h.parts.Tasks != nil && doc.token != "" {
		it := item{message: message{doc: doc, err: err}}
		if terr := h.newCall(document{}).settleToken(ctx, &it); terr != nil && !nobodyWaits(terr) {
			h.log.Error("Step Functions not told", "error", terr)
		}
	}
	if h.parts.DropMalformed || doc.direct {
		return Answer{Error: err.Error(), Outcome: etl.Terminal.String()}, nil
	}
	return nil, err
}

// working returns a context that ends Grace before the function's deadline; a
// function that lasts for less than four times that keeps a quarter.
func (h *Handler) working(ctx context.Context) (context.Context, context.CancelFunc) {
	if end, ok := ctx.Deadline(); ok {
		return context.WithDeadline(ctx, end.Add(-min(h.parts.Grace, time.Until(end)/4)))
	}
	return context.WithCancel(ctx)
}

func (c *call) result() (any, error) {
	if !c.doc.queue {
		return c.answer, c.items[0].err
	}
	out := events.SQSEventResponse{BatchItemFailures: []events.SQSBatchItemFailure{}}
	alive := map[*item]bool{}
	for it := range c.live {
		alive[it] = true
	}
	for i := range c.items {
		if it := &c.items[i]; !alive[it] {
			out.BatchItemFailures = append(out.BatchItemFailures, events.SQSBatchItemFailure{ItemIdentifier: it.id})
		}
	}
	return out, nil
}
