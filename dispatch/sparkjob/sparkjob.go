// Package sparkjob holds the Spark job that comes with Tidemark: a Python package
// that reads a manifest (package dispatch), merges the load into its Iceberg
// table, and leaves a result.
//
// An engine gets two files: [Archive] as a Python dependency (spark-submit's
// --py-files, AWS Glue's --extra-py-files) and [Launcher] as the script to run,
// with the URIs of manifest and result as its arguments. It needs Python 3.10 or
// later, pyarrow, and Iceberg's runtime for its version of Spark. Files of all
// formats that declare themselves are read without further libraries.
package sparkjob

import (
	"archive/zip"
	"bytes"
	"compress/flate"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"time"
)

// Names under which engines know the two files.
const (
	ArchiveName  = "tidemark_spark.zip"
	LauncherName = "tidemark_job.py"
)

// Packages that the job needs besides Spark, as Maven coordinates for --packages:
// Iceberg's runtime for Spark 4.1, and the driver for catalogs in SQLite files.
const (
	IcebergPackage = "org.apache.iceberg:iceberg-spark-runtime-4.1_2.13:1.12.0"
	SQLitePackage  = "org.xerial:sqlite-jdbc:3.50.3.0"
)

//go:embed tidemark_spark/*.py
var sources embed.FS

//go:embed launcher.py
var launcher []byte

// Launcher returns the script that starts the job: MANIFEST RESULT, or
// --manifest MANIFEST --result RESULT among arguments of the engine's own.
func Launcher() []byte { return bytes.Clone(launcher) }

// Archive returns the job's package as a zip file. The same sources give the same
// bytes.
func Archive() ([]byte, error) { return archive(sources) }

// Digest tells versions of the job apart: 16 hexadecimal digits.
func Digest() (string, error) {
	zipped, err := Archive()
	if err != nil {
		return "", err
	}
	h := sha256.New()
	h.Write(zipped)
	h.Write(launcher)
	return hex.EncodeToString(h.Sum(nil)[:8]), nil
}

// archive zips the files of a tree, in the order of their names, under one time.
func archive(tree fs.FS) ([]byte, error) {
	var names []string
	err := fs.WalkDir(tree, ".", func(name string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			names = append(names, name)
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("spark job: %w", err)
	}
	slices.Sort(names)
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	w.RegisterCompressor(zip.Deflate, func(out io.Writer) (io.WriteCloser, error) {
		return flate.NewWriter(out, flate.BestCompression)
	})
	for _, name := range names {
		if err := add(w, tree, name); err != nil {
			return nil, fmt.Errorf("spark job: %s: %w", name, err)
		}
	}
	if err := w.Close(); err != nil {
		return nil, fmt.Errorf("spark job: %w", err)
	}
	return b.Bytes(), nil
}

func add(w *zip.Writer, tree fs.FS, name string) error {
	content, err := fs.ReadFile(tree, name)
	if err != nil {
		return err
	}
	h := &zip.FileHeader{Name: name, Method: zip.Deflate, Modified: time.Date(1980, 1, 1, 0, 0, 0, 0, time.UTC)}
	h.SetMode(0o644)
	file, err := w.CreateHeader(h)
	if err != nil {
		return err
	}
	_, err = file.Write(content)
	return err
}
