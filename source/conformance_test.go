package source_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tidemark-data/etl/etltest"
	"github.com/tidemark-data/etl/source"
)

func TestMemoryConformance(t *testing.T) {
	etltest.Source(t, func(t *testing.T) etltest.SourceUnderTest {
		m := source.NewMemory()
		return etltest.SourceUnderTest{
			Source: m,
			Put:    func(location string, content []byte) error { m.Put(location, content); return nil },
			Remove: func(location string) error { m.Remove(location); return nil },
		}
	})
}

func TestDirConformance(t *testing.T) {
	etltest.Source(t, func(t *testing.T) etltest.SourceUnderTest {
		root := t.TempDir()
		return etltest.SourceUnderTest{
			Source: source.Dir(root),
			Put: func(location string, content []byte) error {
				if !fs.ValidPath(location) || location == "." || strings.HasPrefix(location, ".") {
					return errors.New("not a name of a file in a folder that is listed")
				}
				path := filepath.Join(root, filepath.FromSlash(location))
				if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
					return err
				}
				return os.WriteFile(path, content, 0o600)
			},
			Remove: func(location string) error { return os.Remove(filepath.Join(root, filepath.FromSlash(location))) },
		}
	})
}
