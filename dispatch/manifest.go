package dispatch

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/tidemark-data/etl"
)

// ManifestVersion is the version of the documents that NewManifest makes. A job refuses
// those of another version. What jobs of the same version may ignore is added without
// a new one.
const ManifestVersion = 2

// Manifest tells a job what to do. It holds no secrets and no rows.
type Manifest struct {
	Version int      `json:"version"`
	JobID   string   `json:"job_id"`
	Load    etl.Load `json:"load"`
	// Files are those of the load, in their order.
	Files []ManifestFile `json:"files"`
	Table ManifestTable  `json:"table"`
	// Target are the columns after all transforms.
	Target ManifestTarget  `json:"target"`
	Sink   etl.Declaration `json:"sink"`
	// BadRows is there where rows may be set aside, or were before.
	BadRows *ManifestBadRows `json:"bad_rows,omitempty"`
	// Evolution is there for tables with a contract.
	Evolution *ManifestEvolution `json:"evolution,omitempty"`
	// Checks are those of the table, in its order.
	Checks []ManifestCheck `json:"checks,omitempty"`
}

// ManifestFile is where the engine finds a file, and which content it must have.
type ManifestFile struct {
	URI       string `json:"uri"`
	Location  string `json:"location"`
	ID        string `json:"id"`
	Size      int64  `json:"size"`
	VersionID string `json:"version_id,omitempty"`
	ETag      string `json:"etag,omitempty"`
	// Part is set where the file holds rows of several tables: it names the table. Such
	// a file need not have any of it.
	Part string `json:"part,omitempty"`
	// ModTime is when the file landed.
	ModTime time.Time `json:"mod_time,omitzero"`
}

// ManifestTable is the declaration of a table, with its defaults.
type ManifestTable struct {
	Name string `json:"name"`
	// Mode is the table's; empty is upsert. ModeColumns are those of soft_delete.
	Mode        etl.Mode             `json:"mode,omitempty"`
	ModeColumns *ManifestModeColumns `json:"mode_columns,omitempty"`

	Columns []ManifestColumn `json:"columns"`
	Key     []string         `json:"key"`
	OrderBy []string         `json:"order_by,omitempty"`
	OldKey  []string         `json:"old_key,omitempty"`
	// OpColumn is the operation column; OpCodes maps its values to "upsert" and
	// "delete".
	OpColumn string            `json:"op_column,omitempty"`
	OpCodes  map[string]string `json:"op_codes,omitempty"`
	// AllowEmpty lets files without rows pass.
	AllowEmpty bool `json:"allow_empty,omitempty"`
	// Format reads the files; Partial is set where rows of this load may leave
	// columns unsupplied.
	Format     etl.Declaration   `json:"format"`
	Partial    bool              `json:"partial,omitempty"`
	Transforms []etl.Declaration `json:"transforms,omitempty"`
	Partition  []ManifestField   `json:"partition,omitempty"`
	Sort       []string          `json:"sort,omitempty"`
	// TombstoneSeconds is how long the orders of deleted keys are remembered.
	TombstoneSeconds int64             `json:"tombstone_seconds,omitempty"`
	Properties       map[string]string `json:"properties,omitempty"`
}

// ManifestModeColumns are [etl.ModeColumns].
type ManifestModeColumns struct {
	Deleted   string `json:"deleted"`
	DeletedAt string `json:"deleted_at"`
}

// ManifestTarget are the columns of the table itself.
type ManifestTarget struct {
	Columns []ManifestColumn `json:"columns"`
	Key     []string         `json:"key"`
	// OrderBy are the ordering columns if all of them are columns of the table.
	OrderBy []string `json:"order_by,omitempty"`
}

// ManifestColumn is an [etl.Column].
type ManifestColumn struct {
	Name      string   `json:"name"`
	Type      etl.Type `json:"type"`
	Required  bool     `json:"required,omitempty"`
	Format    string   `json:"format,omitempty"`
	Zone      string   `json:"zone,omitempty"`
	Sensitive bool     `json:"sensitive,omitempty"`
	Doc       string   `json:"doc,omitempty"`
}

// ManifestField is an [etl.PartitionField].
type ManifestField struct {
	Column    string `json:"column"`
	Transform string `json:"transform"`
	N         int    `json:"n,omitempty"`
}

// NewManifest writes down a job. It fails, with outcome Terminal, where a part of
// the table has no declared form, and with outcome Retry where a check waits for a
// count of the source.
func NewManifest(ctx context.Context, job etl.Job) (Manifest, error) {
	m := Manifest{Version: ManifestVersion, JobID: job.ID, Load: job.Load, Sink: job.Sink}
	if len(job.URIs) != len(job.Load.Files) {
		return m, undeclared(errors.New("the source does not say where other engines find its files"))
	}
	var err error
	if m.BadRows, err = badRows(job); err != nil {
		return m, err
	}
	if job.Sink.Kind == "" {
		return m, undeclared(errors.New("the sink does not say where other engines find its tables"))
	}
	for i, f := range job.Load.Files {
		m.Files = append(m.Files, ManifestFile{
			URI: job.URIs[i], Location: f.Location, ID: f.ID(), Size: f.Size, VersionID: f.VersionID, ETag: f.ETag, Part: f.Part, ModTime: f.ModTime,
		})
	}
	m.Target = ManifestTarget{Columns: columns(job.Target.Columns), Key: job.Target.Key, OrderBy: job.Target.OrderBy}
	if m.Evolution, err = evolutionOf(job); err != nil {
		return m, err
	}
	if job.Table.Mode == etl.ModeHistory && (m.BadRows != nil || m.Evolution != nil) {
		return m, undeclared(errors.New("history tables with a contract, or whose bad rows are set aside, are for loads in process: the flag must be L"))
	}
	if m.Table, err = tableOf(job); err == nil {
		m.Checks, err = checks(ctx, job)
	}
	return m, err
}

func tableOf(job etl.Job) (ManifestTable, error) {
	t := job.Table
	m := ManifestTable{
		Name: t.Name, Columns: columns(t.Columns), Key: t.Key, OrderBy: t.OrderBy, OldKey: t.OldKey,
		OpColumn: t.Op.Column, OpCodes: map[string]string{}, AllowEmpty: t.AllowEmpty, Sort: t.Sort,
		TombstoneSeconds: int64(max(t.TombstoneRetention, 0) / time.Second), Properties: t.Properties,
		Partial: job.Partial(),
	}
	switch t.Mode {
	case "", etl.ModeUpsert:
	case etl.ModeSoftDelete:
		m.ModeColumns = &ManifestModeColumns{Deleted: t.ModeColumns.Deleted, DeletedAt: t.ModeColumns.DeletedAt}
		fallthrough
	default:
		m.Mode = t.Mode
	}
	for code, op := range t.Op.Codes {
		m.OpCodes[code] = map[etl.Op]string{etl.Upsert: "upsert", etl.Delete: "delete"}[op]
	}
	for _, f := range t.Partition {
		m.Partition = append(m.Partition, ManifestField{f.Column, f.Transform, f.N})
	}
	var err error
	if m.Format, err = declare("the format", t.Format); err != nil {
		return m, err
	}
	for i, tr := range t.Transforms {
		d, err := declare(fmt.Sprintf("transform %d", i+1), tr)
		if err != nil {
			return m, err
		}
		m.Transforms = append(m.Transforms, d)
	}
	return m, nil
}

func declare(what string, part any) (etl.Declaration, error) {
	d, ok := part.(etl.Declarer)
	if !ok {
		return etl.Declaration{}, undeclared(fmt.Errorf("%s (%T) runs in Go only", what, part))
	}
	decl, err := d.Declare()
	if err != nil {
		return decl, undeclared(fmt.Errorf("%s: %w", what, err))
	}
	return decl, nil
}

func undeclared(err error) error {
	return etl.WithOutcome(etl.Terminal, fmt.Errorf("another engine cannot run the load: %w", err))
}

func columns(cols etl.Columns) []ManifestColumn {
	out := make([]ManifestColumn, len(cols))
	for i, c := range cols {
		out[i] = ManifestColumn(c)
	}
	return out
}
