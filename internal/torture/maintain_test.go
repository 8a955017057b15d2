package torture

import (
	"context"
	"testing"

	"github.com/tidemark-data/etl"
	"github.com/tidemark-data/etl/sink/icebergsink"
)

// tended maintains a table after every load, as eagerly as can be.
type tended struct{ *icebergsink.Sink }

func (s tended) Apply(ctx context.Context, target etl.Target, load etl.Load, changes *etl.Changes) (etl.Receipt, error) {
	receipt, err := s.Sink.Apply(ctx, target, load, changes)
	if err != nil {
		return receipt, err
	}
	_, err = s.Maintain(ctx, target, etl.MaintainOptions{Fence: load.Fence, Sweep: true, Maintenance: etl.Maintenance{
		SmallFiles: 2, DeleteRatio: 0.2, DeleteFiles: 2, Manifests: 4, SnapshotAge: -1,
	}})
	return receipt, err
}

// TestRandomMaintainedLakes plays histories in which every load meets a table
// whose files were just rewritten: that must make no difference to what it does.
// Snapshots do not expire, since the audit reads all of them.
func TestRandomMaintainedLakes(t *testing.T) {
	playAll(t, (*lakes+1)/2, func(t *testing.T) stores {
		s := lastingStores(t)
		s.sink = tended{s.sink.(*icebergsink.Sink)}
		return s
	})
}
