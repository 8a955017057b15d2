package etl

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"strconv"
	"time"
)

// File is one landed object. Its identity is its location and the version of
// its content: the same key with new content is another File.
type File struct {
	// Location names the object within its [Source]: a slash-separated key. It
	// is data, any UTF-8 up to 1,024 bytes, and never used as a local path.
	Location string `json:"location"`
	// VersionID is the store's version of the object, where it has versions.
	VersionID string `json:"version_id,omitempty"`
	// ETag is the store's content tag, where it has one.
	ETag string `json:"etag,omitempty"`
	// Size is the number of stored bytes.
	Size int64 `json:"size"`
	// ModTime is when the object landed, by the clock of the store that holds
	// it. It decides what landed before a full load, never the order of files.
	ModTime time.Time `json:"mod_time"`
	// Part is set where the object holds rows of several tables: it names the
	// table whose share of the object the File is. A [Source] does not look at it.
	Part string `json:"part,omitempty"`
}

// Object returns the File that stands for the whole object.
func (f File) Object() File {
	f.Part = ""
	return f
}

// Version returns what tells this content of the location from another: the
// version ID, else the ETag, else size and modification time.
func (f File) Version() string {
	switch {
	case f.VersionID != "":
		return "v:" + f.VersionID
	case f.ETag != "":
		return "e:" + f.ETag + ":" + strconv.FormatInt(f.Size, 10)
	default:
		return "m:" + strconv.FormatInt(f.Size, 10) + ":" + strconv.FormatInt(f.ModTime.UnixNano(), 10)
	}
}

// ID returns the identity of the file as 32 hexadecimal digits, derived from
// its location and version, and from Part where that is set.
func (f File) ID() string {
	h := sha256.New()
	fmt.Fprintf(h, "%d:%s%s", len(f.Location), f.Location, f.Version())
	if f.Part != "" {
		whole := h.Sum(nil)
		h.Reset()
		fmt.Fprintf(h, "part:%x%s", whole, f.Part)
	}
	return hex.EncodeToString(h.Sum(nil)[:16])
}

// Input is an opened file. It can be read more than once and from several
// goroutines at a time. Reads fail with an error that wraps [ErrFileChanged]
// where the content is no longer that of the File it was opened for.
type Input interface {
	io.ReaderAt
	// Size is the number of bytes that can be read.
	Size() int64
	// Close releases what the input holds. Reading after it fails.
	Close() error
}

// Placement is what a [Layout] reads from a location.
type Placement struct {
	// Table is the name of the table, "namespace.name"; empty with Mixed.
	Table string
	// Mixed is set where a change file holds rows of several tables. It then feeds
	// every configured table whose format is a [MixedFormat], each as a File of
	// its own ([File.Part]).
	Mixed bool
	// Kind is Full or Incremental.
	Kind LoadKind
	// Order is the place of the file among the files of its table and kind.
	// Orders are compared as bytes; equal ones fall back on the location.
	Order string
}

// Layout turns locations into placements. Place returns false where no rule
// recognises the location; such a file is set aside. Implementations are pure
// and safe for concurrent use.
type Layout interface {
	Place(location string) (Placement, bool)
}

// LayoutFunc is a function as a [Layout].
type LayoutFunc func(location string) (Placement, bool)

// Place implements [Layout].
func (f LayoutFunc) Place(location string) (Placement, bool) { return f(location) }
