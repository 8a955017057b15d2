package catalogsink

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/apache/iceberg-go"
	"github.com/apache/iceberg-go/table"

	"github.com/tidemark-data/etl"
)

// stepPurge is that of the snapshot that a purge makes.
const stepPurge = "purge"

// Purge implements [etl.Eraser]. Manifests tell of removed files with the bounds of
// their columns (Iceberg spec, "Manifest Entry Fields"), so the last version gets
// manifests of live files only before all others go. Of the files that nothing refers
// to any more those of this product go at once: the fence keeps who wrote them from
// committing them. Others may be part of a commit under way; they are left until they
// have the age of an orphan, and the report names them.
func (s *Sink) Purge(ctx context.Context, target etl.Target, fence int64) (rep etl.PurgeReport, err error) {
	err = s.contend(ctx, target, stepPurge, func() error { return s.tryPurge(ctx, target, fence, &rep) })
	return rep, err
}

func (s *Sink) tryPurge(ctx context.Context, target etl.Target, fence int64, rep *etl.PurgeReport) error {
	if _, err := s.load(ctx, target.Name); noTable(err) {
		return nil
	}
	if err := s.Fence(ctx, target, fence); err != nil {
		return err
	}
	p := &purge{upkeep: upkeep{
		sink: s, target: target, rep: &etl.MaintainReport{},
		opts: etl.MaintainOptions{Maintenance: etl.Maintenance{}.WithDefaults(), Fence: fence},
	}, rep: rep}
	tbl, err := s.load(ctx, target.Name)
	if err != nil {
		return err
	}
	if !tbl.Properties().GetBool(table.GCEnabledKey, true) {
		return terminal(fmt.Errorf("table %s says %s=false: its files may be other tables', too", target.Name, table.GCEnabledKey))
	}
	if err := p.look(ctx, tbl); err != nil {
		return err
	}
	if err := p.work.past.admit(target.Name, fence); err != nil {
		return err
	}
	for _, step := range []func(context.Context) error{p.clean, p.drop, p.litter} {
		if err := step(ctx); err != nil {
			return err
		}
	}
	side, err := s.cleanSideFiles(ctx, target.Name, 0)
	rep.Files += side
	return err
}

// purge is one attempt at one.
type purge struct {
	upkeep
	rep *etl.PurgeReport
}

// clean makes a snapshot whose manifests tell of live files only.
func (p *purge) clean(ctx context.Context) error {
	manifests, err := p.manifests()
	if err != nil {
		return err
	}
	dirty := false
	for _, m := range manifests {
		_, gone, err := entriesOf(p.work, m)
		if err != nil {
			return err
		}
		dirty = dirty || gone > 0
	}
	if !dirty {
		return nil
	}
	r := p.work.newRevision()
	r.clean = true
	p.work.own = func() (summary, props iceberg.Properties) {
		marks := p.marks(stepPurge)
		return marks, iceberg.Properties{propFence: marks[propFence]}
	}
	if _, err := r.commit(ctx); err != nil {
		if isConflict(err) {
			p.work.discard()
		}
		return err
	}
	tbl, err := p.sink.load(ctx, p.target.Name)
	if err != nil {
		return err
	}
	return p.look(ctx, tbl)
}

// entriesOf reads a manifest's live entries and counts the others.
func entriesOf(w *work, m iceberg.ManifestFile) (live []iceberg.ManifestEntry, gone int, err error) {
	for e, err := range m.Entries(w.fs, false) {
		switch {
		case err != nil:
			return nil, 0, fmt.Errorf("manifest %s: %w", m.FilePath(), err)
		case e.Status() == iceberg.EntryStatusDELETED:
			gone++
		default:
			live = append(live, e)
		}
	}
	return live, gone, nil
}

// cleaned are the parent's manifests without what they tell of removed files.
func (r *revision) cleaned(ctx context.Context, manifests []iceberg.ManifestFile) ([]iceberg.ManifestFile, error) {
	var out []iceberg.ManifestFile
	for _, m := range manifests {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		live, gone, err := entriesOf(r.w, m)
		if err != nil {
			return nil, err
		}
		if len(live) == 0 {
			continue
		}
		if gone > 0 {
			m, err = r.manifest(m.PartitionSpecID(), m.ManifestContent(), func(w *iceberg.ManifestWriter) error {
				return rewriteEntries(w, live, nil)
			})
			if err != nil {
				return nil, err
			}
		}
		out = append(out, m)
	}
	return out, nil
}

// drop removes all snapshots but the last one of main and those of stagings, and the
// files that only they held.
func (p *purge) drop(ctx context.Context) error {
	meta := p.tbl.Metadata()
	keep := map[int64]bool{}
	var updates []table.Update
	var refs []string
	for name, ref := range meta.Refs() {
		if name == table.MainBranch || ref.SnapshotRefType == table.BranchRef && strings.HasPrefix(name, stagePrefix) {
			keep[ref.SnapshotID] = true
			continue
		}
		refs = append(refs, name)
		updates = append(updates, table.NewRemoveSnapshotRefUpdate(name))
	}
	var gone []table.Snapshot
	var ids []int64
	for _, snap := range meta.Snapshots() {
		if !keep[snap.SnapshotID] {
			gone, ids = append(gone, snap), append(ids, snap.SnapshotID)
		}
	}
	if len(gone) == 0 && len(refs) == 0 {
		return nil
	}
	if len(ids) > 0 {
		updates = append(updates, table.NewRemoveSnapshotsUpdate(ids, false))
	}
	reqs, _ := p.assertions()
	after, _, err := p.sink.cat.CommitTable(ctx, p.tbl.Identifier(), reqs, updates)
	if err != nil {
		return fmt.Errorf("table %s: remove snapshots: %w", p.target.Name, commitError(err))
	}
	(&revision{w: p.work}).dropOldMetadata(after)
	tbl, err := p.sink.load(ctx, p.target.Name)
	if err != nil {
		return err
	}
	p.rep.Snapshots += len(gone)
	slices.Sort(refs)
	p.rep.Refs = append(p.rep.Refs, refs...)
	if err := p.look(ctx, tbl); err != nil {
		return err
	}
	n, err := p.free(ctx, gone)
	if err != nil {
		return fmt.Errorf("table %s: files of removed snapshots: %w", p.target.Name, err)
	}
	p.rep.Files += n
	return nil
}

// litter removes files that attempts of before have left, which died between two
// steps.
func (p *purge) litter(ctx context.Context) error {
	old, err := p.orphans(ctx)
	if err != nil {
		return err
	}
	p.opts.OrphanAge = 0
	all, err := p.orphans(ctx)
	if err != nil {
		return err
	}
	removable := map[string]bool{}
	for _, o := range old {
		removable[o.Path] = true
	}
	runs := map[string]bool{}
	for _, o := range all {
		if p.ours(o) {
			removable[o.Path] = true
			run, _, _ := strings.Cut(base(o.Path), "-m")
			runs[run] = true
		}
	}
	p.rep.Left = nil
	var paths []string
	for _, o := range all {
		list := listNames.FindStringSubmatch(base(o.Path))
		switch {
		case removable[o.Path], list != nil && runs[list[1]]:
			paths = append(paths, o.Path)
		case !strings.HasSuffix(o.Path, ".metadata.json"): // those tell nothing of values
			p.rep.Left = append(p.rep.Left, base(o.Path))
		}
	}
	if err := p.remove(ctx, paths); err != nil {
		return fmt.Errorf("table %s: files that nothing refers to: %w", p.target.Name, err)
	}
	p.rep.Files += len(paths)
	return nil
}

const uuidPattern = `[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}`

// ourNames are the names of data and delete files of this product: those of other
// writers that are known have a task's number between.
var ourNames = regexp.MustCompile(`^[0-9]{5}-` + uuidPattern + `(-recast|-tidemark-deletes)?\.parquet$|^` +
	uuidPattern + `-tidemark-deletes\.puffin$`)

var manifestNames = regexp.MustCompile(`^` + uuidPattern + `-m[0-9]+\.avro$`)

// listNames are those of manifest lists, with the identity of the commit that their
// manifests have, too.
var listNames = regexp.MustCompile(`^snap-[0-9]+-[0-9]+-(` + uuidPattern + `)\.avro$`)

// ours reports whether this product wrote a file: by its name, or, of a manifest, by
// what it tells of.
func (p *purge) ours(o table.OrphanFile) bool {
	name := base(o.Path)
	return ourNames.MatchString(name) || manifestNames.MatchString(name) && p.oursOnly(o)
}

// oursOnly reports whether a manifest tells of files of this product only.
func (p *purge) oursOnly(o table.OrphanFile) bool {
	f, err := p.work.fs.Open(o.Path)
	if err != nil {
		return false
	}
	defer f.Close()
	m := iceberg.NewManifestFile(p.tbl.Metadata().Version(), o.Path, o.SizeBytes, 0, 0).Build()
	entries, err := iceberg.ReadManifest(m, f, false)
	return err == nil && !slices.ContainsFunc(entries, func(e iceberg.ManifestEntry) bool {
		return !ourNames.MatchString(base(e.DataFile().FilePath()))
	})
}
