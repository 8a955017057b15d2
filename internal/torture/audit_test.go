package torture

import (
	"context"
	"errors"
	"fmt"
	"time"

	etl "github.com/tidemark-data/etl"
	"github.com/tidemark-data/etl/etltest"
)

// audit takes the loads that the table itself tells of through the model, batch
// by batch: every file at most once in an epoch, every row counted as the rules
// count it, and the same rows at the end.
func (w *world) audit(ctx context.Context, m *etltest.Models) error {
	target, err := w.table.Target()
	if err != nil {
		return err
	}
	standing, err := w.sink.(etl.Witness).Standing(ctx, target)
	if err != nil {
		return err
	}
	files := map[string]etl.File{}
	for r, err := range w.control.Files(ctx, etl.FileQuery{Table: w.table.Name}) {
		if err != nil {
			return err
		}
		files[r.ID()] = r.File
	}
	table := etltest.NewModel(w.h.Table)
	table.Filter = w.h.Keep
	seen := map[string]bool{}
	for i, load := range standing.Loads {
		var rows []etltest.Change
		planted := int64(0)
		table.Landed = time.Time{}
		for _, id := range load.FileIDs {
			once := fmt.Sprint(load.Epoch, " ", id)
			if seen[once] {
				return fmt.Errorf("load %d: %s is applied twice in epoch %d", i+1, files[id].Location, load.Epoch)
			}
			seen[once] = true
			rows = append(rows, m.Rows(files[id])...)
			if at := files[id].ModTime; at.After(table.Landed) {
				table.Landed = at
			}
			planted += w.planted[etltest.FileKey(files[id])]
		}
		want, err := table.Load(load.Kind, rows...)
		if err != nil {
			return fmt.Errorf("load %d: %w", i+1, err)
		}
		got := load.Receipt.Counts
		if w.planted != nil {
			if err := w.kept(ctx, load.ID, got.Quarantined); err != nil {
				return fmt.Errorf("load %d: %w", i+1, err)
			}
			got = aside(got, planted)
		}
		if got != want {
			return fmt.Errorf("load %d: counts differ:\nwant %+v\ngot  %+v", i+1, want, got)
		}
	}
	if diff := table.Rows().Diff(m.Table.Rows()); diff != "" {
		return errors.New("the table's own loads do not make its rows: " + diff)
	}
	return nil
}
