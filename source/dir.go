package source

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"
	"unicode/utf8"

	etl "github.com/tidemark-data/etl"
)

// MaxLocation is the greatest length of a location in bytes.
const MaxLocation = 1024

// ErrLocation is reported to [OnProblem] for a file whose name cannot be a location.
var ErrLocation = errors.New("name is not UTF-8 of at most 1,024 bytes")

// DirSource is a folder as a source. It is safe for concurrent use.
type DirSource struct {
	root    string
	problem func(location string, err error)
	minAge  time.Duration
}

var (
	_ etl.Source  = (*DirSource)(nil)
	_ etl.Locator = (*DirSource)(nil)
)

// DirOption changes a [DirSource].
type DirOption func(*DirSource)

// OnProblem sets a function that is told of every file that a listing leaves
// out because it cannot be a File: its name is too long or not UTF-8, or it is
// a symbolic link that leads out of the folder. The listing goes on. The
// function is called from the goroutine that lists.
func OnProblem(report func(location string, err error)) DirOption {
	return func(d *DirSource) { d.problem = report }
}

// MinAge leaves out files modified less than age ago, for producers that write
// files in place instead of renaming finished ones into the folder.
func MinAge(age time.Duration) DirOption {
	return func(d *DirSource) { d.minAge = age }
}

// Dir returns the folder root, with everything below it, as a source. Locations
// are slash-separated paths relative to it. Files and folders are left out
// whose names start with "." or "_" or end in ".tmp" or ".part", and so is
// everything that is not a regular file; symbolic links to files are followed
// as long as they stay inside, those to folders are not.
//
// The content of a file is known by its size and modification time: a change
// that leaves both as they are is not noticed. Producers should write under a
// name that is left out and rename.
//
// The folder is looked at by List and Open only, which return what is wrong
// with it.
func Dir(root string, options ...DirOption) *DirSource {
	d := &DirSource{root: root, problem: func(string, error) {}}
	for _, o := range options {
		o(d)
	}
	return d
}

// List implements [etl.Source]. Files that vanish while the folder is read are
// left out; a folder that cannot be read ends the listing.
func (d *DirSource) List(ctx context.Context) iter.Seq2[etl.File, error] {
	return func(yield func(etl.File, error) bool) {
		root, err := os.OpenRoot(d.root)
		if err != nil {
			yield(etl.File{}, fmt.Errorf("source folder: %w", err))
			return
		}
		defer root.Close()
		err = fs.WalkDir(root.FS(), ".", func(name string, entry fs.DirEntry, err error) error {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			f, take, err := d.look(root, name, entry, err)
			if take && !yield(f, nil) {
				return fs.SkipAll
			}
			return err
		})
		if err != nil {
			yield(etl.File{}, fmt.Errorf("list source folder: %w", err))
		}
	}
}

// look decides about one entry of the walk.
func (d *DirSource) look(root *os.Root, name string, entry fs.DirEntry, err error) (f etl.File, take bool, _ error) {
	switch {
	case errors.Is(err, fs.ErrNotExist) && name != ".":
		return f, false, nil
	case err != nil:
		return f, false, err
	case name == ".":
		return f, false, nil
	case ignored(entry.Name()) && entry.IsDir():
		return f, false, fs.SkipDir
	case ignored(entry.Name()) || entry.IsDir():
		return f, false, nil
	case entry.Type() != 0 && entry.Type() != fs.ModeSymlink:
		return f, false, nil
	case len(name) > MaxLocation || !utf8.ValidString(name):
		d.problem(name, ErrLocation)
		return f, false, nil
	}
	info, err := root.Stat(filepath.FromSlash(name))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return f, false, nil
	case err != nil && entry.Type() == fs.ModeSymlink:
		d.problem(name, err)
		return f, false, nil
	case err != nil:
		return f, false, err
	case !info.Mode().IsRegular() || d.minAge > 0 && time.Since(info.ModTime()) < d.minAge:
		return f, false, nil
	}
	return etl.File{Location: name, Size: info.Size(), ModTime: info.ModTime()}, true, nil
}

func ignored(base string) bool {
	return strings.HasPrefix(base, ".") || strings.HasPrefix(base, "_") ||
		strings.HasSuffix(base, ".tmp") || strings.HasSuffix(base, ".part")
}

// Open implements [etl.Source].
func (d *DirSource) Open(ctx context.Context, f etl.File) (etl.Input, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if !fs.ValidPath(f.Location) || len(f.Location) > MaxLocation || strings.ContainsRune(f.Location, 0) {
		return nil, &etl.FileError{File: f.Location, Err: fmt.Errorf("%w: not a path inside the folder", etl.ErrFileVanished)}
	}
	root, err := os.OpenRoot(d.root)
	if err != nil {
		return nil, fmt.Errorf("source folder: %w", err)
	}
	defer root.Close()
	in, err := openIn(root, f)
	if err != nil {
		return nil, &etl.FileError{File: f.Location, Err: err}
	}
	return in, nil
}

// URI implements [etl.Locator]: the absolute path of the file. As Open does, it
// fails where the file is gone or not the one that was registered; the engine
// has to look again when it reads.
func (d *DirSource) URI(ctx context.Context, f etl.File) (string, error) {
	in, err := d.Open(ctx, f)
	if err != nil {
		return "", err
	}
	if err := in.Close(); err != nil {
		return "", &etl.FileError{File: f.Location, Err: err}
	}
	root, err := filepath.Abs(d.root)
	if err != nil {
		return "", fmt.Errorf("source folder: %w", err)
	}
	return filepath.Join(root, filepath.FromSlash(f.Location)), nil
}

func openIn(root *os.Root, f etl.File) (*dirInput, error) {
	name := filepath.FromSlash(f.Location)
	info, err := root.Stat(name) // before opening: a pipe would block
	if err != nil {
		return nil, gone(err)
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%w: not a regular file", etl.ErrFileVanished)
	}
	file, err := root.Open(name)
	if err != nil {
		return nil, gone(err)
	}
	in := &dirInput{file: file, size: f.Size, modTime: f.ModTime}
	if err := in.check(); err != nil {
		file.Close()
		return nil, err
	}
	return in, nil
}

// gone turns "does not exist" and "leads out of the folder" into
// etl.ErrFileVanished; other errors, as those of permissions, may pass.
func gone(err error) error {
	var pe *fs.PathError
	if errors.As(err, &pe) {
		err = pe.Err // the path is in the FileError already
	}
	for _, is := range []error{fs.ErrNotExist, fs.ErrInvalid, syscall.ENOTDIR, syscall.ELOOP, syscall.ENAMETOOLONG} {
		if errors.Is(err, is) {
			return fmt.Errorf("%w: %w", etl.ErrFileVanished, err)
		}
	}
	if err.Error() == "path escapes from parent" { // package os does not export it
		return fmt.Errorf("%w: %w", etl.ErrFileVanished, err)
	}
	return err
}

type dirInput struct {
	file    *os.File
	size    int64
	modTime time.Time
}

func (in *dirInput) Size() int64 { return in.size }

// ReadAt looks at size and modification time after every read, so that what was
// returned without an error is the content that the File names.
func (in *dirInput) ReadAt(p []byte, off int64) (int, error) {
	n, err := in.file.ReadAt(p, off)
	if errors.Is(err, os.ErrClosed) {
		return n, err
	}
	if changed := in.check(); changed != nil {
		return 0, changed
	}
	return n, err
}

// Close reports a change since the last read, too.
func (in *dirInput) Close() error {
	changed := in.check()
	if err := in.file.Close(); err != nil {
		return err
	}
	return changed
}

func (in *dirInput) check() error {
	info, err := in.file.Stat()
	if err != nil {
		return err
	}
	if info.Size() != in.size || !info.ModTime().Equal(in.modTime) {
		return etl.ErrFileChanged
	}
	return nil
}
