package awsetl

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sfn"
	"github.com/aws/aws-sdk-go-v2/service/sfn/types"

	"github.com/tidemark-data/etl"
)

// TaskClient is what of the client of aws-sdk-go-v2/service/sfn a [Handler]
// needs to answer task tokens.
type TaskClient interface {
	SendTaskSuccess(context.Context, *sfn.SendTaskSuccessInput, ...func(*sfn.Options)) (*sfn.SendTaskSuccessOutput, error)
	SendTaskFailure(context.Context, *sfn.SendTaskFailureInput, ...func(*sfn.Options)) (*sfn.SendTaskFailureOutput, error)
	SendTaskHeartbeat(context.Context, *sfn.SendTaskHeartbeatInput, ...func(*sfn.Options)) (*sfn.SendTaskHeartbeatOutput, error)
}

var _ TaskClient = (*sfn.Client)(nil)

// Error names that state machines can catch.
const (
	TaskFailed     = "Tidemark.Failed"
	TaskPaused     = "Tidemark.Paused"
	TaskUnfinished = "Tidemark.Unfinished"
)

// Limits of SendTaskSuccess and SendTaskFailure (AWS Step Functions API Reference).
const (
	maxTaskOutput = 262_144
	maxTaskCause  = 32_768
)

// nobodyWaits reports whether a token's task has ended.
func nobodyWaits(err error) bool {
	var timedOut *types.TaskTimedOut
	var gone *types.TaskDoesNotExist
	return errors.As(err, &timedOut) || errors.As(err, &gone)
}

func (c *call) withToken(yield func(*item) bool) {
	if c.parts.Tasks == nil {
		return
	}
	for it := range c.live {
		if it.doc.token != "" && !yield(it) {
			return
		}
	}
}

// heartbeats tells Step Functions that work goes on until it is stopped.
func (c *call) heartbeats(ctx context.Context) (stop func()) {
	waiting := map[string]bool{}
	for it := range c.withToken {
		waiting[it.doc.token] = true
	}
	if len(waiting) == 0 {
		return func() {}
	}
	ctx, cancel := context.WithCancel(ctx)
	var done sync.WaitGroup
	done.Go(func() {
		for sleep(ctx, c.parts.Heartbeat) == nil {
			for token := range waiting {
				if err := c.beat(ctx, token); nobodyWaits(err) {
					delete(waiting, token)
				}
			}
		}
	})
	return sync.OnceFunc(func() { cancel(); done.Wait() })
}

func (c *call) beat(ctx context.Context, token string) error {
	_, err := c.parts.Tasks.SendTaskHeartbeat(ctx, &sfn.SendTaskHeartbeatInput{TaskToken: &token})
	if err != nil && ctx.Err() == nil {
		c.log.Warn("heartbeat to Step Functions not sent", "over", nobodyWaits(err), "error", err)
	}
	return err
}

// passTokens hands the tokens of unfinished work to the invocation that goes on
// with it, and returns the tables which that wakes.
func (c *call) passTokens(ctx context.Context) map[string]bool {
	woken := map[string]bool{}
	for it := range c.withToken {
		w := Wake{TaskToken: it.doc.token}
		var delay time.Duration
		for _, table := range it.tables {
			l, ok := c.left[table]
			if !ok || it.failed != nil || !c.sendable(l) {
				continue
			}
			if len(w.Tables) == 0 || l.delay < delay {
				delay = l.delay
			}
			w.Tables, w.Hops = append(w.Tables, table), max(w.Hops, l.hops)
		}
		if len(w.Tables) == 0 || c.problem(ctx, it, w.Tables) != nil {
			continue
		}
		if err := c.parts.Waker.Wake(ctx, w, min(delay, c.parts.Waker.MaxDelay())); err != nil {
			c.log.Error("wake-up not sent; the schedule goes on", "error", err)
			continue
		}
		it.passed = true
		for _, table := range w.Tables {
			woken[table] = true
		}
	}
	return woken
}

// taskProblem is what a state machine is told instead of success.
type taskProblem struct{ name, cause string }

// problem returns why the item's work is not done, apart from tables that
// another invocation goes on with.
func (c *call) problem(ctx context.Context, it *item, goesOn []string) *taskProblem {
	switch {
	case it.err != nil:
		return &taskProblem{TaskFailed, it.err.Error()}
	case it.failed != nil:
		return &taskProblem{TaskFailed, it.failed.Error()}
	}
	others := map[string]bool{}
	for _, table := range it.tables {
		others[table] = true
	}
	for _, table := range goesOn {
		delete(others, table)
	}
	for _, a := range c.answer.Tables {
		if !others[a.Table] {
			continue
		}
		st, err := c.cfg.Control.State(ctx, a.Table)
		_, unfinished := c.left[a.Table]
		switch {
		case err == nil && st.Flag == etl.FlagPaused:
			return &taskProblem{TaskPaused, fmt.Sprintf("table %s: %s", a.Table, a.Reason)}
		case a.Error != "":
			return &taskProblem{TaskFailed, a.Error}
		case unfinished:
			return &taskProblem{TaskUnfinished, fmt.Sprintf("table %s: %s", a.Table, a.Reason)}
		}
	}
	return nil
}

// settleTokens tells state machines what became of the work they wait for.
func (c *call) settleTokens(ctx context.Context) {
	if c.parts.Tasks == nil {
		return
	}
	for i := range c.items {
		it := &c.items[i]
		if it.doc.token == "" || it.passed || it.err != nil && c.doc.queue { // comes again
			continue
		}
		err := c.settleToken(ctx, it)
		if err != nil && !nobodyWaits(err) {
			c.log.Error("Step Functions not told", "error", err)
		}
	}
}

func (c *call) settleToken(ctx context.Context, it *item) error {
	if p := c.problem(ctx, it, nil); p != nil {
		_, err := c.parts.Tasks.SendTaskFailure(ctx, &sfn.SendTaskFailureInput{
			TaskToken: &it.doc.token, Error: &p.name, Cause: aws.String(p.cause[:min(len(p.cause), maxTaskCause)]),
		})
		return err
	}
	output, err := json.Marshal(c.answer)
	if err != nil || len(output) > maxTaskOutput {
		output = []byte(`{"truncated":true}`)
	}
	_, err = c.parts.Tasks.SendTaskSuccess(ctx, &sfn.SendTaskSuccessInput{TaskToken: &it.doc.token, Output: aws.String(string(output))})
	return err
}
