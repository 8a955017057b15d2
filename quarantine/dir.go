package quarantine

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/tidemark-data/etl"
	"github.com/tidemark-data/etl/quarantine/internal/rowset"
)

// Folder is an [etl.Quarantine] in a folder of this machine: a folder for each table,
// and in it a file of JSON lines for each set. Files and folders are readable by
// nobody else, and names of tables and sets do not become paths as they are. It is
// safe for concurrent use, between processes too where the system has flock.
type Folder struct{ path string }

var _ etl.Quarantine = (*Folder)(nil)

// ErrOpenToOthers is returned by [Dir] for a folder that others may enter.
var ErrOpenToOthers = errors.New("folder is open to others: its mode must be 0700")

// Dir returns the folder as a quarantine, which is made if it is not there. One that
// is there and that others may enter is refused.
func Dir(path string) (*Folder, error) {
	if err := os.MkdirAll(path, 0o700); err != nil {
		return nil, fmt.Errorf("quarantine: %w", err)
	}
	info, err := os.Stat(path)
	switch {
	case err != nil:
		return nil, fmt.Errorf("quarantine: %w", err)
	case !info.IsDir():
		return nil, fmt.Errorf("quarantine: %s is not a folder", path)
	case info.Mode().Perm()&0o077 != 0 && exclusive:
		return nil, fmt.Errorf("quarantine: %s: %w", path, ErrOpenToOthers)
	}
	return &Folder{path}, nil
}

// Put implements [etl.Quarantine].
func (f *Folder) Put(ctx context.Context, table, set string, rows []etl.BadRow) error {
	return f.locked(ctx, table, func(dir string) error { return write(dir, rowset.Name(set), rows) })
}

// Rows implements [etl.Quarantine]. It yields the rows of the moment when the
// iteration starts.
func (f *Folder) Rows(ctx context.Context, table string) iter.Seq2[etl.BadRow, error] {
	return func(yield func(etl.BadRow, error) bool) {
		var all []etl.BadRow
		err := ctx.Err()
		if err == nil {
			err = f.each(f.dir(table), func(_ string, rows []etl.BadRow) error {
				all = append(all, rows...)
				return ctx.Err()
			})
		}
		if err != nil {
			yield(etl.BadRow{}, err)
			return
		}
		slices.SortFunc(all, rowset.Compare)
		for _, row := range all {
			if !yield(row, nil) {
				return
			}
		}
	}
}

// Update implements [etl.Quarantine].
func (f *Folder) Update(ctx context.Context, rows ...etl.BadRow) error {
	tables := map[string][]etl.BadRow{}
	for _, row := range rows {
		tables[row.Table] = append(tables[row.Table], row)
	}
	for table, rows := range tables {
		if err := f.locked(ctx, table, func(dir string) error { return f.update(dir, rows) }); err != nil {
			return err
		}
	}
	return nil
}

func (f *Folder) update(dir string, rows []etl.BadRow) error {
	found := make([]bool, len(rows))
	err := f.each(dir, func(name string, kept []etl.BadRow) error {
		changed := false
		for i, row := range rows {
			if rowset.Replace(kept, row) {
				found[i], changed = true, true
			}
		}
		if !changed {
			return nil
		}
		return write(dir, name, kept)
	})
	if i := slices.Index(found, false); err == nil && i >= 0 {
		err = rowset.NotKept(rows[i])
	}
	return err
}

// Remove implements [etl.Quarantine].
func (f *Folder) Remove(ctx context.Context, table string, ids ...string) error {
	return f.locked(ctx, table, func(dir string) error {
		return f.each(dir, func(name string, kept []etl.BadRow) error {
			n := len(kept)
			if kept = rowset.Without(kept, ids); len(kept) == n {
				return nil
			}
			return write(dir, name, kept)
		})
	})
}

func (f *Folder) dir(table string) string { return filepath.Join(f.path, rowset.Name(table)) }

const suffix = ".jsonl"

// locked calls fn while nobody else writes what is kept of a table.
func (f *Folder) locked(ctx context.Context, table string, fn func(dir string) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	dir := f.dir(table)
	if err := os.Mkdir(dir, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("quarantine: %w", err)
	}
	unlock, err := lock(filepath.Join(dir, "lock"))
	if err != nil {
		return fmt.Errorf("quarantine: %w", err)
	}
	defer unlock()
	return fn(dir)
}

// each calls fn for each file of a folder.
func (f *Folder) each(dir string, fn func(name string, rows []etl.BadRow) error) error {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("quarantine: %w", err)
	}
	for _, e := range entries {
		name, ok := strings.CutSuffix(e.Name(), suffix)
		if !ok || !e.Type().IsRegular() {
			continue
		}
		rows, err := read(filepath.Join(dir, e.Name()))
		if errors.Is(err, fs.ErrNotExist) {
			continue // removed meanwhile
		}
		if err != nil {
			return fmt.Errorf("quarantine: %s: %w", e.Name(), err)
		}
		if err := fn(name, rows); err != nil {
			return err
		}
	}
	return nil
}

func read(path string) ([]etl.BadRow, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	return rowset.Read(bufio.NewReader(file))
}

// write replaces a file of a folder at once, durably.
func write(dir, name string, rows []etl.BadRow) error {
	path := filepath.Join(dir, name+suffix)
	if len(rows) == 0 {
		err := os.Remove(path)
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		return errors.Join(err, syncDir(dir))
	}
	file, err := os.CreateTemp(dir, "new-*") // of mode 0600
	if err != nil {
		return fmt.Errorf("quarantine: %w", err)
	}
	buf := bufio.NewWriter(file)
	if err = rowset.Write(buf, rows); err == nil {
		err = buf.Flush()
	}
	if err == nil {
		err = file.Sync()
	}
	if err = errors.Join(err, file.Close()); err == nil {
		err = os.Rename(file.Name(), path)
	}
	if err != nil {
		return fmt.Errorf("quarantine: %w", errors.Join(err, os.Remove(file.Name())))
	}
	return syncDir(dir)
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return fmt.Errorf("quarantine: %w", err)
	}
	return errors.Join(d.Sync(), d.Close())
}
