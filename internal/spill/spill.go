// Package spill keeps records that do not fit into memory in temporary files,
// divided into partitions.
package spill

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// prefix begins the names of the folders that spilling makes.
const prefix = "tidemark-spill-"

// Dir is a folder of temporary files. It is removed by Close or, if the process
// dies before, by the next [Open] of another process. Not safe for concurrent use.
type Dir struct {
	path string
	lock *os.File
	n    int
}

// Open makes a folder in base, or in the folder of the system for temporary
// files, and removes what dead processes left there.
func Open(base string) (*Dir, error) {
	if base == "" {
		base = os.TempDir()
	}
	Sweep(base)
	path, err := os.MkdirTemp(base, prefix)
	if err != nil {
		return nil, fmt.Errorf("folder for spilling: %w", err)
	}
	f, err := os.OpenFile(filepath.Join(path, lockName), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("folder for spilling: %w", err), os.RemoveAll(path))
	}
	lock(f)
	return &Dir{path: path, lock: f}, nil
}

// Close removes the folder and its files.
func (d *Dir) Close() error {
	return errors.Join(d.lock.Close(), os.RemoveAll(d.path))
}

const (
	lockName = "lock"
	// young folders are left alone: their owner may not have locked them yet.
	young = time.Minute
)

// Sweep removes the folders of dead processes from base: those that nobody
// holds the lock of, or, where files cannot be locked, those of yesterday.
func Sweep(base string) {
	entries, err := os.ReadDir(base)
	if err != nil {
		return
	}
	for _, e := range entries {
		if !e.IsDir() || !strings.HasPrefix(e.Name(), prefix) {
			continue
		}
		if info, err := e.Info(); err == nil && time.Since(info.ModTime()) > young {
			sweepOne(filepath.Join(base, e.Name()), info.ModTime())
		}
	}
}

func sweepOne(path string, changed time.Time) {
	f, err := os.OpenFile(filepath.Join(path, lockName), os.O_RDWR, 0)
	if err == nil {
		free := abandoned(f, changed)
		_ = f.Close()
		if !free {
			return
		}
	} else if !errors.Is(err, os.ErrNotExist) {
		return // of another user
	}
	_ = os.RemoveAll(path)
}
