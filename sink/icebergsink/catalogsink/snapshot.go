package catalogsink

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"math"
	"time"

	"github.com/apache/iceberg-go"
	"github.com/apache/iceberg-go/table"
	"github.com/google/uuid"
)

// revision is a snapshot of the sink's own making. The library's operations
// cannot add delete files and replace data files in one snapshot, nor keep the
// data sequence numbers of some of the added files, which tell the rows of the
// full load from later ones.
type revision struct {
	w      *work
	id     int64
	run    string
	adds   []addition
	gone   map[string]bool // paths of data files and of delete files but vectors
	voided map[string]bool // data files whose deletion vectors go
	files  int             // manifests written
	clean  bool            // manifests keep what they tell of live files only
	totals map[string]int64
}

// addition is a file that the snapshot adds; seq is its data sequence number,
// nil that of the snapshot.
type addition struct {
	iceberg.DataFile
	seq *int64
}

func (w *work) newRevision() *revision {
	id := uuid.New()
	n := binary.LittleEndian.Uint64(id[:8]) ^ binary.LittleEndian.Uint64(id[8:])
	return &revision{
		w: w, id: int64(n & math.MaxInt64), run: uuid.NewString(),
		gone: map[string]bool{}, voided: map[string]bool{}, totals: map[string]int64{},
	}
}

func (r *revision) add(files ...iceberg.DataFile) {
	for _, f := range files {
		r.adds = append(r.adds, addition{f, nil})
	}
}

// drops reports whether a live file of the parent snapshot goes.
func (r *revision) drops(f iceberg.DataFile) bool {
	if isVector(f) {
		return r.voided[*f.ReferencedDataFile()]
	}
	return r.gone[f.FilePath()]
}

// isVector reports whether a delete file is a deletion vector (format version 3).
func isVector(f iceberg.DataFile) bool {
	return f.FileFormat() == iceberg.PuffinFile && f.ReferencedDataFile() != nil
}

// commit writes the manifests and commits, unless main is not any more what it was.
func (r *revision) commit(ctx context.Context) (*table.Table, error) {
	w := r.w
	snap, err := r.stage(ctx)
	if err != nil {
		return nil, fmt.Errorf("table %s: stage the snapshot: %w", w.target.Name, err)
	}
	_, props := w.marks()
	reqs := []table.Requirement{
		table.AssertTableUUID(w.tbl.Metadata().TableUUID()), table.AssertRefSnapshotID(table.MainBranch, snap.ParentSnapshotID),
	}
	reqs = append(reqs, w.remake.requirements()...)
	updates := append(w.remake.updates(),
		table.NewAddSnapshotUpdate(snap), table.NewSetSnapshotRefUpdate(table.MainBranch, r.id, table.BranchRef, 0, 0, 0),
		table.NewSetPropertiesUpdate(props))
	meta, location, err := w.sink.cat.CommitTable(ctx, w.tbl.Identifier(), reqs, updates)
	if err != nil {
		return nil, fmt.Errorf("table %s: commit: %w", w.target.Name, commitError(err))
	}
	r.dropOldMetadata(meta)
	return table.New(w.tbl.Identifier(), meta, location, w.tbl.FS, nil), nil
}

// dropOldMetadata removes the metadata files that the log does not name any
// more, as the library does after its own commits.
func (r *revision) dropOldMetadata(meta table.Metadata) {
	if !meta.Properties().GetBool(table.MetadataDeleteAfterCommitEnabledKey, table.MetadataDeleteAfterCommitEnabledDefault) {
		return
	}
	named := map[string]bool{}
	for e := range meta.PreviousFiles() {
		named[e.MetadataFile] = true
	}
	for e := range r.w.tbl.Metadata().PreviousFiles() {
		if !named[e.MetadataFile] {
			if err := r.w.fs.Remove(e.MetadataFile); err != nil {
				r.w.sink.opts.Logger.Warn("old metadata file is left for clean-up", "path", e.MetadataFile, "error", err)
			}
		}
	}
}

func (r *revision) stage(ctx context.Context) (*table.Snapshot, error) {
	meta := r.w.tbl.Metadata()
	var parent *int64
	var before iceberg.Properties
	manifests, err := r.added()
	if err != nil {
		return nil, err
	}
	if head := meta.SnapshotByName(table.MainBranch); head != nil {
		parent = &head.SnapshotID
		if head.Summary != nil {
			before = head.Summary.Properties
		}
		kept, err := r.kept(ctx, head)
		if err != nil {
			return nil, err
		}
		manifests = append(manifests, kept...)
	}
	snap := &table.Snapshot{
		SnapshotID: r.id, ParentSnapshotID: parent, SequenceNumber: meta.LastSequenceNumber() + 1,
		TimestampMs: time.Now().UnixMilli(), SchemaID: &meta.CurrentSchema().ID,
		Summary: r.summary(before),
	}
	return snap, r.list(snap, manifests)
}

// list writes the manifest list. From format version 3 on that also gives the
// new rows their ids.
func (r *revision) list(snap *table.Snapshot, manifests []iceberg.ManifestFile) error {
	var buf bytes.Buffer
	var out *iceberg.ManifestListWriter
	var err error
	version, first := r.w.tbl.Metadata().Version(), r.w.tbl.Metadata().NextRowID()
	if version == 3 {
		out, err = iceberg.NewManifestListWriterV3(&buf, r.id, snap.SequenceNumber, first, snap.ParentSnapshotID)
	} else {
		out, err = iceberg.NewManifestListWriterV2(&buf, r.id, snap.SequenceNumber, snap.ParentSnapshotID)
	}
	if err != nil {
		return err
	}
	if err := out.AddManifests(manifests); err != nil {
		return err
	}
	if version == 3 {
		rows := *out.NextRowID() - first
		snap.FirstRowID, snap.AddedRows = &first, &rows
	}
	if err := out.Close(); err != nil {
		return err
	}
	snap.ManifestList, err = r.store(fmt.Sprintf("snap-%d-0-%s.avro", r.id, r.run), buf.Bytes())
	return err
}

func (r *revision) store(name string, content []byte) (string, error) {
	places, err := r.w.tbl.LocationProvider()
	if err != nil {
		return "", err
	}
	path := places.NewMetadataLocation(name)
	r.w.staged = append(r.w.staged, path)
	if err := r.w.fs.WriteFile(path, content); err != nil {
		return "", fmt.Errorf("write %s: %w", path, err)
	}
	return path, nil
}

// added writes the manifests of the added files: by spec, data and deletes apart.
func (r *revision) added() ([]iceberg.ManifestFile, error) {
	type group struct {
		spec    int32
		content iceberg.ManifestContent
	}
	groups := map[group][]addition{}
	var order []group
	for _, f := range r.adds {
		g := group{f.SpecID(), iceberg.ManifestContentData}
		if f.ContentType() != iceberg.EntryContentData {
			g.content = iceberg.ManifestContentDeletes
		}
		if groups[g] == nil {
			order = append(order, g)
		}
		groups[g] = append(groups[g], f)
		r.count("added", f)
	}
	var out []iceberg.ManifestFile
	for _, g := range order {
		m, err := r.manifest(g.spec, g.content, func(m *iceberg.ManifestWriter) error {
			for _, f := range groups[g] {
				if err := m.Add(iceberg.NewManifestEntry(iceberg.EntryStatusADDED, &r.id, f.seq, nil, f.DataFile)); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
		out = append(out, m)
	}
	return out, nil
}

// kept takes over the parent's manifests, rewriting those with files that go.
func (r *revision) kept(ctx context.Context, head *table.Snapshot) ([]iceberg.ManifestFile, error) {
	manifests, err := head.Manifests(r.w.fs)
	if err != nil {
		return nil, fmt.Errorf("manifest list: %w", err)
	}
	if r.clean {
		return r.cleaned(ctx, manifests)
	}
	var out []iceberg.ManifestFile
	for _, m := range manifests {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		var stay, leave []iceberg.ManifestEntry
		for e, err := range m.Entries(r.w.fs, true) {
			if err != nil {
				return nil, fmt.Errorf("manifest %s: %w", m.FilePath(), err)
			}
			if r.drops(e.DataFile()) {
				leave = append(leave, e)
			} else {
				stay = append(stay, e)
			}
		}
		if len(leave) > 0 {
			m, err = r.manifest(m.PartitionSpecID(), m.ManifestContent(), func(w *iceberg.ManifestWriter) error {
				return rewriteEntries(w, stay, leave)
			})
			if err != nil {
				return nil, err
			}
			for _, e := range leave {
				r.count("removed", e.DataFile())
			}
		} else if len(stay) == 0 {
			continue // nothing but what earlier snapshots removed
		}
		out = append(out, m)
	}
	return out, nil
}

func rewriteEntries(w *iceberg.ManifestWriter, stay, gone []iceberg.ManifestEntry) error {
	for _, e := range stay {
		if err := w.Existing(e); err != nil {
			return err
		}
	}
	for _, e := range gone {
		if err := w.Delete(e); err != nil {
			return err
		}
	}
	return nil
}

func (r *revision) manifest(spec int32, content iceberg.ManifestContent, fill func(*iceberg.ManifestWriter) error) (iceberg.ManifestFile, error) {
	meta := r.w.tbl.Metadata()
	by := meta.PartitionSpecByID(int(spec))
	if by == nil {
		return nil, terminal(fmt.Errorf("files are of partition spec %d, which the table does not have", spec))
	}
	var buf bytes.Buffer
	out, err := iceberg.NewManifestWriter(meta.Version(), &buf, *by, meta.CurrentSchema(), r.id, iceberg.WithManifestWriterContent(content))
	if err != nil {
		return nil, err
	}
	if err := fill(out); err != nil {
		return nil, err
	}
	if err := out.Close(); err != nil {
		return nil, err
	}
	path, err := r.store(fmt.Sprintf("%s-m%d.avro", r.run, r.files), buf.Bytes())
	if err != nil {
		return nil, err
	}
	r.files++
	return out.ToManifestFile(path, int64(buf.Len()), iceberg.WithManifestFileContent(content))
}
