//go:build spark

package differential

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	etl "github.com/tidemark-data/etl"
	"github.com/tidemark-data/etl/dispatch/sparkdispatch"
)

// submitting is the engine of lanes whose loads go through spark-submit, each a
// Spark of its own.
func submitting(t *testing.T, l *lane) *sparkdispatch.Dispatcher {
	d, err := sparkdispatch.New(sparkdispatch.Config{
		Folder: filepath.Join(l.dir, "jobs"), Command: filepath.Join(filepath.Dir(python(t)), "spark-submit"),
		Python: python(t), Jars: jars(t), Master: "local[2]",
		Conf: map[string]string{
			"spark.driver.host": "127.0.0.1", "spark.driver.bindAddress": "127.0.0.1", "spark.ui.enabled": "false",
			"spark.sql.shuffle.partitions": "1", "spark.driver.extraJavaOptions": "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC",
		},
	})
	require.NoError(t, err)
	return d
}

var errEnough = errors.New("enough loads")

// playSome plays until the table has taken some loads.
func playSome(t *testing.T, g *game, some int) {
	err := g.play(t.Context(), func(int) error {
		s, err := standing(t.Context(), g.lanes[0])
		if err == nil && len(s.Loads) >= some {
			return errEnough
		}
		return err
	})
	require.ErrorIs(t, err, errEnough)
}

// TestSubmit takes a few loads through spark-submit.
func TestSubmit(t *testing.T) {
	if testing.Short() {
		t.Skip("examples/spark does so as well")
	}
	g := newGame(t, 3, nil, func(t *testing.T, l *lane) etl.Dispatcher { return submitting(t, l) })
	playSome(t, g, 3)
}

// killer kills the group of every first job of a load, some time after its start.
type killer struct {
	etl.Dispatcher
	folder string
	after  time.Duration
	struck map[string]bool
}

func (k *killer) Submit(ctx context.Context, job etl.Job) (etl.JobRef, error) {
	ref, err := k.Dispatcher.Submit(ctx, job)
	if err != nil || k.struck[job.Load.ID] {
		return ref, err
	}
	k.struck[job.Load.ID] = true
	time.Sleep(k.after)
	text, err := os.ReadFile(filepath.Join(k.folder, "jobs", job.ID, "pid"))
	if err != nil {
		return ref, err
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil || pid < 2 {
		return ref, err
	}
	k.after += 3 * time.Second // the next one further on
	return ref, ignoreGone(syscall.Kill(-pid, syscall.SIGKILL))
}

func ignoreGone(err error) error {
	if errors.Is(err, syscall.ESRCH) {
		return nil
	}
	return err
}

// TestKilled kills the Spark of each load once, at different times of its life.
func TestKilled(t *testing.T) {
	if testing.Short() {
		t.Skip("takes minutes; torture kills jobs in this process")
	}
	var k *killer
	g := newGame(t, 3, nil, func(t *testing.T, l *lane) etl.Dispatcher {
		k = &killer{Dispatcher: submitting(t, l), folder: filepath.Join(l.dir, "jobs"), after: 4 * time.Second, struck: map[string]bool{}}
		return k
	})
	playSome(t, g, 2)
	require.GreaterOrEqual(t, len(k.struck), 2)
	t.Logf("%d loads, each killed once", len(k.struck))
}
