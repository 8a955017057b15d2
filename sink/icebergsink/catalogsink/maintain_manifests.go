package catalogsink

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/apache/iceberg-go"
	"github.com/apache/iceberg-go/table"
	"github.com/google/uuid"

	"github.com/tidemark-data/etl"
)

// manifestSize is what manifests are merged to; those below half of it are small.
const manifestSize = 8 << 20

// mergeManifests merges small manifests, each kind and partition spec for
// itself, and leaves out what they say of files that were removed. The library
// does so for data manifests only; every load adds a delete manifest, too.
func (u *upkeep) mergeManifests(ctx context.Context) error {
	manifests, err := u.manifests()
	if err != nil || u.opts.Manifests < 0 || u.tbl.Metadata().Version() > 2 {
		return err // version 3 counts rows by manifest, and would give out ids again
	}
	var kept []iceberg.ManifestFile
	bins := map[string][][]iceberg.ManifestFile{}
	sizes := map[string]int64{}
	small := 0
	for _, m := range manifests {
		if m.Length() >= manifestSize/2 {
			kept = append(kept, m)
			continue
		}
		small++
		key := fmt.Sprint(m.ManifestContent(), m.PartitionSpecID())
		if n := len(bins[key]); n == 0 || sizes[key]+m.Length() > manifestSize {
			bins[key], sizes[key] = append(bins[key], nil), 0
		}
		last := len(bins[key]) - 1
		bins[key][last] = append(bins[key][last], m)
		sizes[key] += m.Length()
	}
	if small < u.opts.Manifests {
		return nil
	}
	if !u.opts.DryRun {
		if err := u.writeManifests(ctx, kept, bins); err != nil {
			return err
		}
	}
	u.rep.MergedManifests += small
	return nil
}

func (u *upkeep) writeManifests(ctx context.Context, kept []iceberg.ManifestFile, bins map[string][][]iceberg.ManifestFile) error {
	snap := u.nextSnapshot()
	for _, group := range bins {
		for _, bin := range group {
			merged, err := u.mergedManifest(ctx, snap.SnapshotID, bin)
			if err != nil {
				u.work.discard()
				return fmt.Errorf("table %s: %s: %w", u.target.Name, stepManifests, err)
			}
			if merged != nil {
				kept = append(kept, merged)
			}
		}
	}
	if err := u.writeManifestList(snap, kept); err != nil {
		u.work.discard()
		return fmt.Errorf("table %s: %s: manifest list: %w", u.target.Name, stepManifests, err)
	}
	reqs, head := u.assertions()
	updates := []table.Update{
		table.NewAddSnapshotUpdate(snap),
		table.NewSetSnapshotRefUpdate(table.MainBranch, snap.SnapshotID, table.BranchRef,
			value0(head.MaxRefAgeMs), value0(head.MaxSnapshotAgeMs), value0(head.MinSnapshotsToKeep)),
	}
	if fence := snap.Summary.Properties[propFence]; fence != "" {
		updates = append(updates, table.NewSetPropertiesUpdate(iceberg.Properties{propFence: fence}))
	}
	meta, _, err := u.sink.cat.CommitTable(ctx, u.tbl.Identifier(), reqs, updates)
	if err == nil {
		(&revision{w: u.work}).dropOldMetadata(meta)
	}
	return u.committed(ctx, stepManifests, snap.Summary.Properties[propUpkeepID], err)
}

// nextSnapshot is a snapshot of the same rows.
func (u *upkeep) nextSnapshot() *table.Snapshot {
	head := u.tbl.SnapshotByName(table.MainBranch)
	marks := u.marks(stepManifests)
	if head.Summary != nil {
		for k, v := range head.Summary.Properties {
			if strings.HasPrefix(k, "total-") {
				marks[k] = v
			}
		}
	}
	meta := u.tbl.Metadata()
	id, schema := newSnapshotID(meta), meta.CurrentSchema().ID
	return &table.Snapshot{
		SnapshotID: id, ParentSnapshotID: &head.SnapshotID, SequenceNumber: meta.LastSequenceNumber() + 1,
		ManifestList: u.metadataPath(fmt.Sprintf("snap-%d-0-%s.avro", id, marks[propUpkeepID])),
		TimestampMs:  max(time.Now().UnixMilli(), head.TimestampMs), SchemaID: &schema,
		Summary: &table.Summary{Operation: table.OpReplace, Properties: marks},
	}
}

func newSnapshotID(meta table.Metadata) int64 {
	for {
		id := uuid.New()
		n := int64((binary.BigEndian.Uint64(id[:8]) ^ binary.BigEndian.Uint64(id[8:])) &^ (1 << 63))
		if n > 0 && meta.SnapshotByID(n) == nil {
			return n
		}
	}
}

func (u *upkeep) metadataPath(name string) string {
	places, err := u.tbl.LocationProvider()
	if err != nil {
		return strings.TrimRight(u.tbl.Location(), "/") + "/metadata/" + name
	}
	return places.NewMetadataLocation(name)
}

// mergedManifest copies the live entries of manifests of one kind and spec into
// one, with their sequence numbers; nil where none is live.
func (u *upkeep) mergedManifest(ctx context.Context, snapshot int64, bin []iceberg.ManifestFile) (_ iceberg.ManifestFile, err error) {
	var entries []iceberg.ManifestEntry
	for _, m := range bin {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		for e, err := range m.Entries(u.work.fs, true) {
			if err != nil {
				return nil, fmt.Errorf("manifest %s: %w", m.FilePath(), err)
			}
			entries = append(entries, e)
		}
	}
	if len(entries) == 0 {
		return nil, nil
	}
	spec := u.tbl.Metadata().PartitionSpecByID(int(bin[0].PartitionSpecID()))
	if spec == nil {
		return nil, terminal(fmt.Errorf("manifest %s is of partition spec %d, which the table does not have", bin[0].FilePath(), bin[0].PartitionSpecID()))
	}
	path := u.metadataPath(uuid.NewString() + "-m0.avro")
	u.work.staged = append(u.work.staged, path)
	file, err := u.work.fs.Create(path)
	if err != nil {
		return nil, err
	}
	out := &counter{w: file}
	defer func() { err = errors.Join(err, file.Close()) }()
	w, err := iceberg.NewManifestWriter(u.tbl.Metadata().Version(), out, *spec, u.tbl.Schema(), snapshot,
		iceberg.WithManifestWriterContent(bin[0].ManifestContent()))
	if err != nil {
		return nil, err
	}
	for _, e := range entries {
		if err := w.Existing(e); err != nil {
			return nil, errors.Join(err, w.Close())
		}
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	merged, err := w.ToManifestFile(path, out.n)
	if err == nil && int(merged.ExistingDataFiles()) != len(entries) {
		err = fmt.Errorf("%w: %d files in %d manifests, %d in the merged one", etl.ErrAccounting, len(entries), len(bin), merged.ExistingDataFiles())
	}
	return merged, err
}

func (u *upkeep) writeManifestList(snap *table.Snapshot, manifests []iceberg.ManifestFile) (err error) {
	u.work.staged = append(u.work.staged, snap.ManifestList)
	file, err := u.work.fs.Create(snap.ManifestList)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	w, err := iceberg.NewManifestListWriterV2(&counter{w: file}, snap.SnapshotID, snap.SequenceNumber, snap.ParentSnapshotID)
	if err != nil {
		return err
	}
	return errors.Join(w.AddManifests(manifests), w.Close())
}

// assertions are those that all branches and tags are as they were seen, and
// main as it is.
func (u *upkeep) assertions() (reqs []table.Requirement, head table.SnapshotRef) {
	meta := u.tbl.Metadata()
	reqs = append(reqs, table.AssertTableUUID(meta.TableUUID()))
	for name, ref := range meta.Refs() {
		reqs = append(reqs, table.AssertRefSnapshotID(name, &ref.SnapshotID))
		if name == table.MainBranch {
			head = ref
		}
	}
	return reqs, head
}

func value0[T any](p *T) (v T) {
	if p != nil {
		v = *p
	}
	return v
}
