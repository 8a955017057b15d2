package main

import (
	"archive/tar"
	"compress/gzip"
	"context"
	"errors"
	"io"
	"os"
	"path"
	"path/filepath"
	"strings"
)

// untar puts the CSV files of an archive into a folder, unless it is there.
func untar(ctx context.Context, archive, dir string) error {
	if _, err := os.Stat(dir); err == nil {
		return nil
	}
	f, err := os.Open(archive)
	if err != nil {
		return err
	}
	defer f.Close()
	zr, err := gzip.NewReader(f)
	if err != nil {
		return err
	}
	part := dir + ".part"
	if err := errors.Join(os.RemoveAll(part), os.MkdirAll(part, 0o755)); err != nil {
		return err
	}
	for tr := tar.NewReader(zr); ctx.Err() == nil; {
		h, err := tr.Next()
		if errors.Is(err, io.EOF) {
			return os.Rename(part, dir)
		}
		if err != nil {
			return err
		}
		if !strings.HasSuffix(h.Name, ".csv") {
			continue
		}
		b, err := io.ReadAll(tr)
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(part, path.Base(h.Name)), b, 0o644); err != nil {
			return err
		}
	}
	return ctx.Err()
}
