package awsetl

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/tidemark-data/etl"
)

// verbNames are those that an operator can use.
var verbNames = []string{
	"status", "history", "plan", "ingest", "drain", "pause", "resume", "retry", "skip", "reload",
	"complete", "classify", "flag", "cancel", "rebuild", "maintain",
}

// verb does what an operator asks for. The verbs that look and those that work
// on all tables take a table or none; the others need one.
func (c *call) verb(ctx context.Context, it *item, cmd command, answer *Answer) error {
	switch cmd.Verb {
	case "status":
		return c.status(ctx, cmd, answer)
	case "history":
		return c.history(ctx, cmd, answer)
	case "plan":
		return c.plan(ctx, cmd, answer)
	case "ingest", "drain":
		return c.ingest(ctx, it, cmd)
	case "classify":
		return c.classify(ctx, it, cmd)
	}
	if !slices.Contains(verbNames, cmd.Verb) {
		return wrong("no such verb; known are %v", verbNames)
	}
	if !c.hasTable(cmd.Table) {
		return fmt.Errorf("%w: verb %s needs a configured table", etl.ErrNoTable, cmd.Verb)
	}
	return c.operate(ctx, it, cmd, answer)
}

func wrong(format string, args ...any) error {
	return etl.WithOutcome(etl.Terminal, fmt.Errorf(format, args...))
}

// operate does the verbs that change one table.
func (c *call) operate(ctx context.Context, it *item, cmd command, answer *Answer) error {
	var err error
	goesOn := true
	switch cmd.Verb {
	case "pause":
		err, goesOn = c.runner.Pause(ctx, cmd.Table, cmd.Reason), false
	case "resume":
		err = c.runner.Resume(ctx, cmd.Table)
	case "retry":
		err = c.runner.Retry(ctx, cmd.Table)
	case "skip":
		err = c.runner.Skip(ctx, cmd.Table, cmd.Locations...)
	case "reload":
		err = c.runner.Reload(ctx, cmd.Table, cmd.Locations...)
	case "complete":
		err = c.runner.Complete(ctx, cmd.Table)
	case "flag":
		err = c.runner.SetFlag(ctx, cmd.Table, etl.JobFlag(cmd.Flag))
	case "cancel":
		err = c.runner.Cancel(ctx, cmd.Table)
	case "rebuild":
		err, goesOn = c.runner.Rebuild(ctx, cmd.Table), false
	case "maintain":
		goesOn = false
		var rep etl.MaintainReport
		if cmd.DryRun {
			rep, err = c.runner.PlanMaintenance(ctx, cmd.Table)
		} else {
			rep, err = c.runner.Maintain(ctx, cmd.Table)
		}
		answer.Maintenance = &rep
	}
	if err == nil && goesOn {
		c.drainSoon(it, cmd.Table)
	}
	return err
}

func (c *call) status(ctx context.Context, cmd command, answer *Answer) error {
	tables, err := c.pick(cmd.Table)
	if err != nil {
		return err
	}
	if cmd.Table == "" {
		tables = append(tables, "") // files that no table takes
	}
	for _, table := range tables {
		s, err := c.runner.Status(ctx, table)
		if err != nil {
			return err
		}
		answer.Status = append(answer.Status, StatusAnswer{Table: table, TableStatus: s, LagSeconds: s.Lag.Seconds()})
	}
	return nil
}

// Limits of history: how many entries are told unless the operator says, and at most.
const (
	fewEntries = 20
	maxEntries = 1000
)

func (c *call) history(ctx context.Context, cmd command, answer *Answer) error {
	tables, err := c.pick(cmd.Table)
	if err != nil {
		return err
	}
	if cmd.Table == "" {
		tables = append(tables, "")
	}
	limit := min(cmp.Or(max(cmd.Limit, 0), fewEntries), maxEntries)
	entries := []EntryAnswer{}
	for _, table := range tables {
		n := 0
		for e, err := range c.runner.History(ctx, table) {
			if err != nil {
				return err
			}
			if n++; n > limit {
				break
			}
			entries = append(entries, EntryAnswer{Entry: e, TookSeconds: e.Took.Seconds()})
		}
	}
	slices.SortStableFunc(entries, func(a, b EntryAnswer) int { return b.At.Compare(a.At) })
	answer.Entries = entries[:min(len(entries), limit)]
	return nil
}

func (c *call) plan(ctx context.Context, cmd command, answer *Answer) error {
	tables, err := c.pick(cmd.Table)
	if err != nil {
		return err
	}
	answer.Decisions = map[string]DecisionAnswer{}
	for _, table := range tables {
		d, err := c.runner.Plan(ctx, table)
		if err != nil {
			return err
		}
		answer.Decisions[table] = DecisionAnswer{Decision: d, WaitSeconds: d.Wait.Seconds()}
	}
	return nil
}

// ingest lists, if it is not told to drain only, and drains.
func (c *call) ingest(ctx context.Context, it *item, cmd command) error {
	tables, err := c.pick(cmd.Table)
	if err != nil {
		return err
	}
	for _, table := range tables {
		c.want(table, 0)
		it.tables = append(it.tables, table)
	}
	if cmd.Verb == "ingest" {
		return c.list(ctx)
	}
	return nil
}

func (c *call) classify(ctx context.Context, it *item, cmd command) error {
	kind, err := etl.ParseLoadKind(cmd.Kind)
	if err != nil || kind == etl.Unknown {
		return wrong("classify: kind is full or incremental")
	}
	if cmd.Location == "" {
		return etl.WithOutcome(etl.Terminal, errors.New("classify: no location"))
	}
	if !c.hasTable(cmd.Table) {
		return fmt.Errorf("%w: verb classify needs a configured table", etl.ErrNoTable)
	}
	err = c.runner.Classify(ctx, cmd.Location, etl.Placement{Table: cmd.Table, Kind: kind, Order: cmd.Order})
	if err == nil {
		c.drainSoon(it, cmd.Table)
	}
	return err
}
