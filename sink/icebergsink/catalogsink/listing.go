package catalogsink

import (
	"context"
	"fmt"
	"strings"
	"sync"

	"github.com/apache/iceberg-go"
	iceio "github.com/apache/iceberg-go/io"
	"github.com/apache/iceberg-go/table"
	"golang.org/x/sync/errgroup"
)

// fieldFilePath and fieldPos are the reserved field ids of position-delete
// files (Iceberg spec, "Reserved Field IDs").
const (
	fieldFilePath = 2147483546
	fieldPos      = 2147483545
)

// dataFile is a live data file with the position deletes that apply to it.
type dataFile struct {
	iceberg.DataFile
	seq     int64
	deletes []deleteFile // those that name this file alone
	merged  []deleteFile // those whose positions its deletion vector holds
	vector  bool         // deletes is a deletion vector

	once sync.Once
	dead bits
	err  error
}

type deleteFile struct {
	iceberg.DataFile
	seq int64
}

// ours reports whether this sink wrote the file: its positions are distinct,
// and disjoint from those of its other files for the same data file.
func (d deleteFile) ours() bool { return isVector(d) || strings.HasSuffix(d.FilePath(), deleteSuffix) }

// listing is what a snapshot holds.
type listing struct {
	fs      iceio.IO
	workers int
	data    []*dataFile
	byPath  map[string]*dataFile
	deletes []deleteFile // all of them
	shared  []deleteFile // those that may name several data files
	equal   int          // equality-delete files

	once  sync.Once
	dead  map[string]bits     // of shared
	named map[string][]string // by delete file of shared: the live data files it names
	err   error
}

// list reads the manifests of a snapshot; nil is that of an empty table.
func list(ctx context.Context, fs iceio.IO, snap *table.Snapshot, workers int) (*listing, error) {
	l := &listing{fs: fs, workers: workers, byPath: map[string]*dataFile{}}
	if snap == nil {
		return l, nil
	}
	manifests, err := snap.Manifests(fs)
	if err != nil {
		return nil, fmt.Errorf("manifest list: %w", err)
	}
	entries := make([][]iceberg.ManifestEntry, len(manifests))
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(4 * workers) // waits for storage more than it computes
	for i, m := range manifests {
		g.Go(func() error {
			if err := ctx.Err(); err != nil {
				return err
			}
			for e, err := range m.Entries(fs, true) {
				if err != nil {
					return fmt.Errorf("manifest %s: %w", m.FilePath(), err)
				}
				entries[i] = append(entries[i], e)
			}
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	for _, es := range entries {
		for _, e := range es {
			l.add(e)
		}
	}
	l.assign()
	return l, l.withVectors()
}

func (l *listing) add(e iceberg.ManifestEntry) {
	df := e.DataFile()
	switch df.ContentType() {
	case iceberg.EntryContentData:
		f := &dataFile{DataFile: df, seq: e.SequenceNum()}
		l.data = append(l.data, f)
		l.byPath[df.FilePath()] = f
	case iceberg.EntryContentPosDeletes:
		l.deletes = append(l.deletes, deleteFile{df, e.SequenceNum()})
	default:
		l.deletes = append(l.deletes, deleteFile{df, e.SequenceNum()})
		l.equal++
	}
}

// assign gives the position deletes to their data files. Those that speak of
// files no longer there are left out.
func (l *listing) assign() {
	for _, d := range l.deletes {
		if d.ContentType() != iceberg.EntryContentPosDeletes {
			continue
		}
		path, one := only(d)
		f := l.byPath[path]
		switch {
		case f != nil && f.seq <= d.seq:
			f.deletes = append(f.deletes, d)
		case !one || f == nil && d.ReferencedDataFile() == nil:
			l.shared = append(l.shared, d) // bounds may have been cut short
		}
	}
}

// only returns the one data file that a delete file names, by its reference
// (Iceberg spec, "referenced_data_file") or by equal bounds of the paths.
func only(d deleteFile) (string, bool) {
	if ref := d.ReferencedDataFile(); ref != nil {
		return *ref, true
	}
	lo, hi := d.LowerBoundValues()[fieldFilePath], d.UpperBoundValues()[fieldFilePath]
	if lo == nil || string(lo) != string(hi) {
		return "", false
	}
	return string(lo), true
}

// rows counts the live rows. Positions that delete files of others name twice
// are counted once, for which those files are read.
func (l *listing) rows(ctx context.Context) (int64, error) {
	var n int64
	for _, f := range l.data {
		n += f.Count()
		if len(f.deletes) == 0 && len(l.shared) == 0 {
			continue
		}
		if len(l.shared) == 0 && trusted(f.deletes) {
			for _, d := range f.deletes {
				n -= d.Count()
			}
			continue
		}
		dead, err := l.deadOf(ctx, f)
		if err != nil {
			return 0, err
		}
		n -= dead.count()
	}
	return n, nil
}

func trusted(ds []deleteFile) bool {
	for _, d := range ds {
		if !d.ours() {
			return false
		}
	}
	return true
}
