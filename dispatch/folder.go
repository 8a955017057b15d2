package dispatch

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"

	"github.com/tidemark-data/etl"
)

// Folder is a local folder as a [Store], for engines that run on this machine or
// that share the folder with it. URIs are absolute paths. Documents are readable
// by their owner alone: a manifest names tables and columns.
type Folder struct{ root string }

var _ Store = (*Folder)(nil)

// NewFolder returns the folder at a path, and makes it where it is not there.
func NewFolder(root string) (*Folder, error) {
	if root == "" {
		return nil, errors.New("folder of jobs: no path given")
	}
	root, err := filepath.Abs(root)
	if err != nil {
		return nil, fmt.Errorf("folder of jobs: %w", err)
	}
	if err := os.MkdirAll(root, 0o700); err != nil {
		return nil, fmt.Errorf("folder of jobs: %w", err)
	}
	return &Folder{root: root}, nil
}

// Root returns the folder's path.
func (f *Folder) Root() string { return f.root }

// URI implements [Store].
func (f *Folder) URI(name string) (string, error) {
	if err := CheckName(name); err != nil {
		return "", err
	}
	return filepath.Join(f.root, filepath.FromSlash(name)), nil
}

// Put implements [Store]. What it returned nil for survives a crash of the machine.
func (f *Folder) Put(ctx context.Context, name string, data []byte) (string, error) {
	uri, err := f.URI(name)
	if err == nil {
		err = ctx.Err()
	}
	if err != nil {
		return "", err
	}
	if err := os.MkdirAll(filepath.Dir(uri), 0o700); err != nil {
		return "", fmt.Errorf("store document: %w", err)
	}
	if err := replace(uri, data); err != nil {
		return "", fmt.Errorf("store document: %w", err)
	}
	return uri, nil
}

// replace writes a file beside the target and renames it.
func replace(target string, data []byte) (err error) {
	tmp, err := os.CreateTemp(filepath.Dir(target), ".new-*") // readable by its owner alone
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, tmp.Close(), os.Remove(tmp.Name()))
		}
	}()
	if _, err := tmp.Write(data); err != nil {
		return err
	}
	if err := tmp.Sync(); err != nil {
		return err
	}
	if err := tmp.Close(); err != nil {
		return errors.Join(err, os.Remove(tmp.Name()))
	}
	return os.Rename(tmp.Name(), target)
}

// Remove implements [Store].
func (f *Folder) Remove(ctx context.Context, name string) error {
	uri, err := f.URI(name)
	if err == nil {
		err = ctx.Err()
	}
	if err != nil {
		return err
	}
	if err := os.Remove(uri); err != nil && !errors.Is(missing(err), etl.ErrNotFound) {
		return fmt.Errorf("remove document: %w", err)
	}
	return nil
}

// Get implements [Store].
func (f *Folder) Get(ctx context.Context, uri string, max int64) ([]byte, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	name, err := filepath.Rel(f.root, filepath.FromSlash(uri))
	if err != nil || !filepath.IsAbs(uri) || CheckName(filepath.ToSlash(name)) != nil {
		return nil, etl.WithOutcome(etl.Terminal, errors.New("read document: it is outside of the folder of jobs"))
	}
	root, err := os.OpenRoot(f.root)
	if err != nil {
		return nil, missing(err)
	}
	defer root.Close()
	if info, err := root.Stat(name); err != nil { // before opening: a pipe would block
		return nil, missing(err)
	} else if !info.Mode().IsRegular() {
		return nil, etl.WithOutcome(etl.Terminal, errors.New("read document: not a file"))
	}
	file, err := root.Open(name)
	if err != nil {
		return nil, missing(err)
	}
	defer file.Close()
	data, err := io.ReadAll(io.LimitReader(file, max+1))
	if err == nil && int64(len(data)) > max {
		err = etl.WithOutcome(etl.Terminal, fmt.Errorf("read document %s: longer than %d bytes", path.Base(filepath.ToSlash(name)), max))
	}
	return data, err
}

func missing(err error) error {
	if errors.Is(err, fs.ErrNotExist) || strings.Contains(err.Error(), "not a directory") {
		return fmt.Errorf("read document: %w", etl.ErrNotFound)
	}
	return fmt.Errorf("read document: %w", err)
}
