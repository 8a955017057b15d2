// Package awsjob has what the engines of AWS have in common: the job's code in
// the store, what errors of the services mean, and what may be kept of what they
// say of a job.
package awsjob

import (
	"context"
	"fmt"
	"sync"

	"github.com/tidemark-data/etl/dispatch"
	"github.com/tidemark-data/etl/dispatch/sparkjob"
)

// Code puts the job's code into a store, once in its life. It is safe for
// concurrent use.
type Code struct {
	mu              sync.Mutex
	script, archive string
}

// Put returns where the script to run and the archive beside it are.
func (c *Code) Put(ctx context.Context, store dispatch.Store) (script, archive string, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.script != "" {
		return c.script, c.archive, nil
	}
	zipped, err := sparkjob.Archive()
	if err != nil {
		return "", "", err
	}
	digest, err := sparkjob.Digest()
	if err != nil {
		return "", "", err
	}
	if archive, err = dispatch.PutCode(ctx, store, digest, sparkjob.ArchiveName, zipped); err == nil {
		script, err = dispatch.PutCode(ctx, store, digest, sparkjob.LauncherName, sparkjob.Launcher())
	}
	if err != nil {
		return "", "", fmt.Errorf("code of the job: %w", err)
	}
	c.script, c.archive = script, archive
	return script, archive, nil
}
