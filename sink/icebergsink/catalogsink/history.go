package catalogsink

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/apache/iceberg-go"
	"github.com/apache/iceberg-go/table"

	"github.com/tidemark-data/etl"
)

// What a load leaves in its snapshot's summary and in the table's properties.
const (
	propLoad      = "tidemark.load-id"
	propKind      = "tidemark.kind"
	propEpoch     = "tidemark.epoch"
	propWatermark = "tidemark.watermark"
	propMarkFile  = "tidemark.watermark-file"
	propLanded    = "tidemark.landed"
	propFence     = "tidemark.fence"
	propFiles     = "tidemark.files"
	propCut       = "tidemark.files-truncated"
	propLastFile  = "tidemark.last-file"
	propCounts    = "tidemark.counts"
	propChecks    = "tidemark.checks"
	propMemory    = "tidemark.memory"
	propBase      = "tidemark.base-sequence"
	propSequence  = "tidemark.sequence"

	maxFiles  = 2000
	maxChecks = 1 << 16 // bytes
)

// history is what the ancestry of main tells of the loads in the table. The
// properties alone do not: after a roll-back they speak of loads that are gone.
type history struct {
	// marks are the loads, newest first.
	marks []mark
	// truncated is set where older snapshots have expired.
	truncated bool
	fence     int64
	// memory is where the remembered orders are kept; empty is nowhere.
	memory string
	// base is the sequence number of the full load that opened the epoch; 0
	// without one.
	base int64
}

type mark struct {
	props   iceberg.Properties
	receipt etl.Receipt
}

func readHistory(meta table.Metadata) history {
	var h history
	props := meta.Properties()
	h.fence = number(props, propFence)
	settled, remembered, oldest := false, false, int64(0)
	for snap := meta.SnapshotByName(table.MainBranch); snap != nil; {
		oldest = snap.SequenceNumber
		if snap.Summary != nil {
			sum := snap.Summary.Properties
			h.fence = max(h.fence, number(sum, propFence))
			if !remembered && sum[propLoad]+sum[propErasure] != "" {
				remembered, h.memory = true, sum[propMemory]
			}
			if sum[propLoad] != "" {
				h.marks = append(h.marks, mark{sum, receiptOf(*snap)})
				if !settled {
					settled, h.base = true, number(sum, propBase)
				}
			}
		}
		if snap.ParentSnapshotID == nil {
			break
		}
		parent := meta.SnapshotByID(*snap.ParentSnapshotID)
		h.truncated = parent == nil
		snap = parent
	}
	// The properties tell of a load whose snapshot has expired, if it lies
	// before what is retained.
	if h.truncated && !settled && props[propLoad] != "" && number(props, propSequence) < oldest {
		h.marks = append(h.marks, mark{props, receiptFrom(props)})
		h.base = number(props, propBase)
		if !remembered {
			h.memory = props[propMemory]
		}
	}
	return h
}

func (h history) find(loadID string) (etl.Receipt, bool) {
	for _, m := range h.marks {
		if m.props[propLoad] == loadID && loadID != "" {
			r := m.receipt
			r.Found = true
			return r, true
		}
	}
	return etl.Receipt{}, false
}

func (h history) admit(name string, fence int64) error {
	if h.fence > fence {
		return fmt.Errorf("table %s carries fence %d, the load has %d: %w", name, h.fence, fence, etl.ErrStaleFence)
	}
	return nil
}

// standing tells the loads, oldest first.
func (h history) standing() etl.Standing {
	st := etl.Standing{Fence: h.fence}
	if len(h.marks) == 0 {
		st.Complete = !h.truncated
		return st
	}
	newest := h.marks[0].props
	st.Epoch, st.Landed = number(newest, propEpoch), moment(newest, propLanded)
	st.Watermark, st.WatermarkFile = newest[propWatermark], newest[propMarkFile]
	whole := true
	for _, m := range h.marks {
		kind, _ := etl.ParseLoadKind(m.props[propKind])
		l := etl.StandingLoad{
			ID: m.props[propLoad], Kind: kind, Epoch: number(m.props, propEpoch),
			Receipt: m.receipt, LastName: m.props[propLastFile],
		}
		if ids := m.props[propFiles]; ids != "" {
			l.FileIDs = strings.Split(ids, ",")
		}
		st.Loads = append(st.Loads, l)
		if l.Epoch == st.Epoch {
			whole = whole && m.props[propCut] == "" && (len(l.FileIDs) > 0 || m.receipt.Snapshot != "")
			st.Complete = st.Complete || kind == etl.Full && whole
		}
	}
	if st.Epoch == 0 && !h.truncated {
		st.Complete = whole
	}
	slices.Reverse(st.Loads)
	return st
}

// marks returns what the snapshot of the load says, and the share of it that is
// kept in the table's properties too.
func (w *work) marks() (summary, props iceberg.Properties) {
	if w.own != nil {
		return w.own()
	}
	counts, _ := json.Marshal(w.counts) // a struct of numbers
	props = iceberg.Properties{
		propLoad:      w.load.ID,
		propKind:      w.load.Kind.String(),
		propEpoch:     strconv.FormatInt(w.load.Epoch, 10),
		propWatermark: w.load.Watermark,
		propMarkFile:  w.load.WatermarkFile,
		propLanded:    "",
		propFence:     strconv.FormatInt(w.load.Fence, 10),
		propCounts:    string(counts),
		propMemory:    w.memory.path,
		propBase:      strconv.FormatInt(w.base(), 10),
		propSequence:  strconv.FormatInt(w.sequence(), 10),
		propLastFile:  "",
	}
	if !w.load.Landed.IsZero() {
		props[propLanded] = w.load.Landed.UTC().Format(time.RFC3339Nano)
	}
	if n := len(w.load.Files); n > 0 {
		props[propLastFile] = w.load.Files[n-1].Location
	}
	summary = iceberg.Properties{}
	for k, v := range props {
		summary[k] = v
	}
	ids := make([]string, 0, min(len(w.load.Files), maxFiles))
	for _, f := range w.load.Files[:min(len(w.load.Files), maxFiles)] {
		ids = append(ids, f.ID())
	}
	summary[propFiles] = strings.Join(ids, ",")
	if len(w.load.Files) > maxFiles {
		summary[propCut] = "true"
	}
	if len(w.checks) > 0 {
		if text, err := json.Marshal(w.checks); err == nil && len(text) <= maxChecks {
			summary[propChecks] = string(text)
		}
	}
	w.remake.marks(summary, props)
	return summary, props
}

// sequence is the sequence number that the commit will have: it fails if the
// table gets another snapshot first.
func (w *work) sequence() int64 { return w.tbl.Metadata().LastSequenceNumber() + 1 }

func (w *work) base() int64 {
	if w.load.Kind == etl.Full {
		return w.sequence()
	}
	return w.past.base
}

func receiptOf(snap table.Snapshot) etl.Receipt {
	r := receiptFrom(snap.Summary.Properties)
	r.Snapshot = strconv.FormatInt(snap.SnapshotID, 10)
	r.Committed = time.UnixMilli(snap.TimestampMs).UTC()
	sum := snap.Summary.Properties
	r.FilesWritten = int(number(sum, "added-data-files") + number(sum, "added-delete-files"))
	r.BytesWritten = number(sum, "added-files-size")
	return r
}

func receiptFrom(props iceberg.Properties) etl.Receipt {
	r := etl.Receipt{LoadID: props[propLoad]}
	if err := json.Unmarshal([]byte(props[propCounts]), &r.Counts); err != nil {
		r.Counts = etl.Counts{}
	}
	if text := props[propChecks]; text != "" && json.Unmarshal([]byte(text), &r.Checks) != nil {
		r.Checks = nil
	}
	r.Evolved = recordOf(props)
	return r
}

func number(props iceberg.Properties, key string) int64 {
	n, err := strconv.ParseInt(props[key], 10, 64)
	if err != nil {
		return 0
	}
	return n
}

func moment(props iceberg.Properties, key string) time.Time {
	t, err := time.Parse(time.RFC3339Nano, props[key])
	if err != nil {
		return time.Time{}
	}
	return t
}
