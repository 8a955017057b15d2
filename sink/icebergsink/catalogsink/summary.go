package catalogsink

import (
	"maps"
	"slices"
	"strconv"

	"github.com/apache/iceberg-go"
	"github.com/apache/iceberg-go/table"
)

// count keeps what the summary says (Iceberg spec, "Optional Snapshot Summary
// Fields").
func (r *revision) count(verb string, f iceberg.DataFile) {
	size := f.FileSizeBytes()
	if isVector(f) && f.ContentSizeInBytes() != nil {
		size = *f.ContentSizeInBytes() // others are in the same file
	}
	r.totals[verb+"-files-size"] += size
	switch f.ContentType() {
	case iceberg.EntryContentData:
		if verb == "removed" {
			verb = "deleted"
		}
		r.totals[verb+"-data-files"]++
		r.totals[verb+"-records"] += f.Count()
	case iceberg.EntryContentPosDeletes:
		r.totals[verb+"-delete-files"]++
		r.totals[verb+"-position-deletes"] += f.Count()
		if isVector(f) {
			r.totals[verb+"-dvs"]++
		} else {
			r.totals[verb+"-position-delete-files"]++
		}
	default:
		r.totals[verb+"-delete-files"]++
		r.totals[verb+"-equality-deletes"] += f.Count()
		r.totals[verb+"-equality-delete-files"]++
	}
}

func (r *revision) summary(before iceberg.Properties) *table.Summary {
	marks, _ := r.w.marks()
	props := maps.Clone(marks)
	for k, n := range r.totals {
		props[k] = strconv.FormatInt(n, 10)
	}
	for _, k := range []string{"data-files", "records", "delete-files", "files-size", "position-deletes", "equality-deletes"} {
		removed := "removed-" + k
		if slices.Contains([]string{"data-files", "records"}, k) {
			removed = "deleted-" + k
		}
		total := number(before, "total-"+k) + r.totals["added-"+k] - r.totals[removed]
		if before == nil || before["total-"+k] != "" {
			props["total-"+k] = strconv.FormatInt(max(0, total), 10)
		}
	}
	return &table.Summary{Operation: table.OpOverwrite, Properties: props}
}
