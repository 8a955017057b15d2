package awsetl

import (
	"context"
	"errors"
	"fmt"

	"github.com/tidemark-data/etl"
)

// act does what an event asks for, short of draining. An error lets the item come again.
func (c *call) act(ctx context.Context, it *item, e event) error {
	switch e := e.(type) {
	case reconcile:
		c.wantAll(it) // what is known is worked off even if the listing fails
		return c.list(ctx)
	case TaskState:
		return c.taskState(ctx, it, e)
	case JobState:
		return c.jobState(ctx, it, e)
	case command:
		return c.command(ctx, it, e)
	}
	return nil
}

// taskState completes the full loads of a task that has finished them. Events of
// its last files may be lost or still on their way, so the listing is registered first.
func (c *call) taskState(ctx context.Context, it *item, t TaskState) error {
	tables := c.parts.TaskTables(t.ARN)
	if len(tables) == 0 || !c.parts.TaskFinished(t) {
		return nil
	}
	if err := c.list(ctx); err != nil {
		return err
	}
	for _, table := range tables {
		err := c.runner.Complete(ctx, table)
		switch {
		case errors.Is(err, etl.ErrNotFound): // nothing is open
		case errors.Is(err, etl.ErrNoTable):
			c.log.Error("the tables of a DMS task name one that is not configured", "table", clip(table))
			continue
		case err != nil:
			return fmt.Errorf("complete the full load of a DMS task: %w", err)
		}
		c.want(table, 0)
		it.tables = append(it.tables, table)
	}
	return nil
}

func (c *call) command(ctx context.Context, it *item, cmd command) error {
	if len(cmd.Wake) > 0 {
		for _, table := range cmd.Wake {
			if c.hasTable(table) { // the configuration may have changed
				c.want(table, max(cmd.Hops, 0))
				it.tables = append(it.tables, table)
			}
		}
		return nil
	}
	answer := &c.answer
	if c.doc.queue {
		answer = &Answer{}
	}
	answer.Verb, answer.Table = clip(cmd.Verb), clip(cmd.Table)
	err := c.verb(ctx, it, cmd, answer)
	if err == nil {
		return nil
	}
	answer.Error, answer.Outcome = err.Error(), etl.OutcomeOf(err).String()
	if c.doc.queue && etl.OutcomeOf(err) != etl.Terminal {
		return err
	}
	c.log.Error("verb failed", "verb", answer.Verb, "table", answer.Table, "error", err)
	it.failed = err
	return nil
}

// drainSoon drains the table that a verb has set going: the next invocation does,
// so that the operator need not wait for it, unless there is none or somebody waits.
func (c *call) drainSoon(it *item, table string) {
	it.tables = append(it.tables, table)
	if c.parts.Waker == nil || it.doc.token != "" {
		c.want(table, 0)
		return
	}
	c.soon[table] = true
}

// pick returns the table named, or all.
func (c *call) pick(table string) ([]string, error) {
	if table != "" {
		if !c.hasTable(table) {
			return nil, fmt.Errorf("%w: it is not configured", etl.ErrNoTable)
		}
		return []string{table}, nil
	}
	names := make([]string, len(c.cfg.Tables))
	for i, t := range c.cfg.Tables {
		names[i] = t.Name
	}
	return names, nil
}
