package etl

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
)

// Defaults of a [Table].
const (
	DefaultMaxBatchFiles      = 64
	DefaultMaxBatchBytes      = 256 << 20
	DefaultTombstoneRetention = 7 * 24 * time.Hour
)

// dmsOps are the operation codes that AWS DMS writes (user guide, "Using
// Amazon S3 as a target", "Indicating source DB operations").
var dmsOps = map[string]Op{"I": Upsert, "U": Upsert, "D": Delete}

func (t Table) withDefaults() Table {
	if t.Flag == "" {
		t.Flag = FlagLocal
	}
	t.modeDefaults()
	if t.Late == "" {
		t.Late = LatePause
	}
	if t.MaxBatchFiles == 0 {
		t.MaxBatchFiles = DefaultMaxBatchFiles
	}
	if t.MaxBatchBytes == 0 {
		t.MaxBatchBytes = DefaultMaxBatchBytes
	}
	if t.TombstoneRetention == 0 {
		t.TombstoneRetention = DefaultTombstoneRetention
	}
	if f, ok := t.Format.(OpFormat); ok && t.Op.Column == "" {
		t.Op = f.Op()
	}
	if t.Op.Codes == nil {
		t.Op.Codes = dmsOps
	}
	t.Columns = slices.Clone(t.Columns)
	for _, k := range t.Key {
		if i := t.Columns.Index(k); i >= 0 {
			t.Columns[i].Required = true
		}
	}
	if f, ok := t.Format.(TableFormat); ok {
		t.Format = f.ForTable(t.inFiles())
	}
	return t
}

var tableName = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9_-]{0,126}\.[A-Za-z0-9_][A-Za-z0-9_-]{0,126}$`)

// Validate returns an error that lists everything wrong with the declaration.
func (t Table) Validate() error {
	p := problems{prefix: "table " + printable(t.Name)}
	if !tableName.MatchString(t.Name) {
		p.add("name must be namespace.name, each of letters, digits, _ and -")
	}
	t.checkColumns(&p)
	t.checkMode(&p)
	t.checkKeys(&p)
	switch {
	case t.Flag != "" && !t.Flag.Valid():
		p.add("flag %q is not L, G, auto or P", t.Flag)
	case t.Late != "" && t.Late != LatePause && t.Late != LateApply && t.Late != LateSetAside:
		p.add("late %q is not pause, apply or set_aside", t.Late)
	case t.FullLoads != "" && t.FullLoads != FullReplace && t.FullLoads != FullDifference:
		p.add("full loads %q are not replace or difference", t.FullLoads)
	}
	if t.Settle < 0 || t.MaxBatchFiles < 0 || t.MaxBatchBytes < 0 {
		p.add("settle and batch limits must not be negative")
	}
	t.Completion.check(&p)
	t.Staging.check(&p)
	t.BadRows.check(&p)
	t.Maintenance.check(&p)
	t.checkContract(&p)
	if len(p.errs) == 0 {
		target, err := t.withDefaults().Target()
		if err != nil {
			p.add("%v", err)
		} else {
			t.checkChecks(&p, target)
			if err := t.stageable(); err != nil && t.Staging.Mode == StageAlways {
				p.add("staging: %v", err)
			}
		}
	}
	return p.err()
}

func (t Table) checkChecks(p *problems, target Target) {
	for i, c := range t.Checks {
		switch c.Action {
		case "", CheckPause, CheckWarn, CheckQuarantine:
		default:
			p.add("check %d: action %q is not pause, warn or quarantine", i+1, string(c.Action))
		}
		if c.Check == nil {
			p.add("check %d is missing", i+1)
		} else if v, ok := c.Check.(CheckValidator); ok {
			if err := v.Validate(target); err != nil {
				p.add("%v", err)
			}
		}
	}
}

func (c Completion) check(p *problems) {
	set := 0
	for _, on := range []bool{c.Explicit, c.EachFile, c.Quiet != 0, c.Files != 0} {
		if on {
			set++
		}
	}
	if set > 1 || c.Quiet < 0 || c.Files < 0 {
		p.add("completion takes one of explicit, each file, a quiet period and a number of files")
	}
}

func (t Table) checkColumns(p *problems) {
	if len(t.Columns) == 0 {
		p.add("no columns")
	}
	seen := map[string]string{}
	for _, c := range t.Columns {
		fold := strings.ToLower(c.Name)
		switch other, dup := seen[fold]; {
		case c.Name == "":
			p.add("a column has no name")
		case dup && other == c.Name:
			p.add("column %s is declared twice", printable(c.Name))
		case dup:
			p.add("columns %s and %s differ only by case, which Glue and Athena do not tell apart", printable(other), printable(c.Name))
		}
		seen[fold] = c.Name
		if err := c.Type.validate(); err != nil {
			p.add("column %s: %v", printable(c.Name), err)
		}
		if _, err := time.LoadLocation(c.Zone); err != nil {
			p.add("column %s: unknown time zone %q", printable(c.Name), c.Zone)
		}
	}
}

func (t Table) checkKeys(p *problems) {
	if len(t.Key) == 0 && t.Mode != ModeAppend {
		p.add("no key")
	}
	if len(t.OldKey) > 0 && len(t.OldKey) != len(t.Key) {
		p.add("old key has %d columns, the key %d", len(t.OldKey), len(t.Key))
	}
	for i, k := range t.Key {
		switch j := t.Columns.Index(k); {
		case j < 0:
			p.add("key column %s is not declared", printable(k))
		case slices.Contains(t.Key[:i], k):
			p.add("key column %s is named twice", printable(k))
		case t.Columns[j].Type == Float || t.Columns[j].Type == Double:
			p.add("key column %s is a %v, which has no exact equality", printable(k), t.Columns[j].Type)
		}
	}
	for _, o := range t.OrderBy {
		if t.Columns.Index(o) < 0 {
			p.add("ordering column %s is not declared", printable(o))
		}
	}
	for _, f := range t.Partition {
		if t.Columns.Index(f.Column) < 0 && len(t.Transforms) == 0 {
			p.add("partition column %s is not declared", printable(f.Column))
		}
		if err := f.validate(); err != nil {
			p.add("%v", err)
		}
	}
	for _, s := range t.Sort {
		if t.Columns.Index(s) < 0 && len(t.Transforms) == 0 {
			p.add("sort column %s is not declared", printable(s))
		}
	}
}

// Target returns the table as the sink sees it: with the columns that the
// transforms make.
func (t Table) Target() (Target, error) {
	t = t.withDefaults()
	schema := markSensitive(t.Columns)
	for i, tr := range t.Transforms {
		out, err := tr.Schema(schema)
		if err == nil {
			err = t.checkStep(tr, schema, out)
		}
		if err != nil {
			return Target{}, fmt.Errorf("transform %d: %w", i+1, err)
		}
		schema = out
	}
	target := Target{
		Name: t.Name, Mode: t.Mode, Schema: unmarked(schema), Key: t.Key, OrderBy: t.OrderBy, Partition: t.Partition,
		Sort: t.Sort, TombstoneRetention: max(t.TombstoneRetention, 0), Properties: t.Properties,
	}
	for _, f := range schema.Fields() {
		col, err := t.outColumn(f)
		if err != nil {
			return Target{}, err
		}
		target.Columns = append(target.Columns, col)
	}
	for _, k := range t.Key {
		out := target.Columns.Index(k)
		if out < 0 || t.Columns.Index(k) < 0 {
			return Target{}, fmt.Errorf("key column %s does not come through the transforms unchanged", printable(k))
		}
		target.Columns[out].Required = true
	}
	for _, o := range t.OrderBy {
		if target.Columns.Index(o) < 0 {
			target.OrderBy = nil
			break
		}
	}
	err := t.addModeColumns(&target)
	target.Evolution = t.evolution(target)
	return target, err
}

func (t Table) outColumn(f arrow.Field) (Column, error) {
	typ, ok := TypeOf(f.Type)
	if !ok {
		return Column{}, fmt.Errorf("column %s: Arrow type %v is not the type of a column", printable(f.Name), f.Type)
	}
	sensitive := f.Metadata.FindKey(sensitiveMark) >= 0
	if i := t.Columns.Index(f.Name); i >= 0 && t.Columns[i].Type == typ {
		col := t.Columns[i]
		col.Required = col.Required && !f.Nullable
		col.Sensitive = col.Sensitive || sensitive
		return col, nil
	}
	return Column{Name: f.Name, Type: typ, Required: !f.Nullable, Sensitive: sensitive}, nil
}

var partitionText = regexp.MustCompile(`^(?:([a-z]+)\((?:(\d{1,9})\s*,\s*)?(.+)\)|([^()]+))$`)

// ParsePartition reads "column", "day(column)", "bucket(16, column)" or
// "truncate(4, column)". Transforms may be in the plural, as Spark writes them.
func ParsePartition(s string) (PartitionField, error) {
	m := partitionText.FindStringSubmatch(strings.TrimSpace(s))
	if m == nil {
		return PartitionField{}, fmt.Errorf("partition %q: want column, day(column) or bucket(n, column)", s)
	}
	f := PartitionField{Column: strings.TrimSpace(m[3]), Transform: m[1]}
	if m[4] != "" {
		f = PartitionField{Column: strings.TrimSpace(m[4]), Transform: "identity"}
	}
	switch f.Transform {
	case "years", "months", "days", "hours":
		f.Transform = strings.TrimSuffix(f.Transform, "s")
	}
	if m[2] != "" {
		f.N, _ = strconv.Atoi(m[2])
	}
	return f, f.validate()
}

func (f PartitionField) validate() error {
	switch f.Transform {
	case "identity", "year", "month", "day", "hour":
		if f.N == 0 {
			return nil
		}
	case "bucket", "truncate":
		if f.N > 0 {
			return nil
		}
		return fmt.Errorf("partition of column %s: %s needs a number above 0", printable(f.Column), f.Transform)
	}
	return fmt.Errorf("partition of column %s: %q is not identity, year, month, day, hour, bucket or truncate", printable(f.Column), f.Transform)
}

// problems collects everything wrong with a configuration.
type problems struct {
	prefix string
	errs   []error
}

func (p *problems) add(format string, args ...any) {
	err := fmt.Errorf(format, args...)
	if p.prefix != "" {
		err = fmt.Errorf("%s: %w", p.prefix, err)
	}
	p.errs = append(p.errs, err)
}

func (p *problems) err() error { return errors.Join(p.errs...) }
