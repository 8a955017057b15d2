package dynamocontrol

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"

	"github.com/tidemark-data/etl"
)

// Names of attributes and of sort keys, or their beginnings.
const (
	attrPK = "pk"
	attrSK = "sk"

	skState   = "STATE"
	skFile    = "FILE"
	skHistory = "HIST#"
	skTx      = "TX#"
	skBlob    = "BLOB#"
	skLive    = "Q#L#" // hints to files that are not settled
	skDone    = "Q#D#"
)

// Lengths of keys, in bytes. A hint's key ends in ID, "!" and tag.
const (
	placeLimit     = 900
	partitionLimit = 1000 // of 2,048
	idLen, tagLen  = 32, 26
)

const hexDigits = "0123456789abcdef"

// escape writes any bytes as printable ASCII that compares as they do, and
// contains no "!". It is prefix-free once a "!" is put behind it.
func escape(s string) string {
	var b strings.Builder
	b.Grow(len(s))
	for i := range len(s) {
		c := s[i]
		switch {
		case c < '#':
			b.Write([]byte{'"', hexDigits[c>>4], hexDigits[c&15]})
		case c > '}':
			b.Write([]byte{'~', hexDigits[c>>4], hexDigits[c&15]})
		default:
			b.WriteByte(c)
		}
	}
	return b.String()
}

// PartitionKey returns the partition key of a data table's items.
func PartitionKey(table string) string {
	if e := escape(table); len(e) <= partitionLimit {
		return "T#" + e
	}
	sum := sha256.Sum256([]byte(table))
	return "T~" + hex.EncodeToString(sum[:])
}

func fileKey(id string) item { return key("F#"+id, skFile) }

func key(pk, sk string) item { return item{attrPK: text(pk), attrSK: text(sk)} }

// isID reports whether id may be that of a file.
func isID(id string) bool {
	if len(id) != idLen {
		return false
	}
	for i := range len(id) {
		if strings.IndexByte(hexDigits, id[i]) < 0 {
			return false
		}
	}
	return true
}

// place is where a record's hint stands.
type place struct {
	pk, class, at string
}

func placeOf(r etl.FileRecord) place {
	at := escape(r.Order) + "!" + escape(r.Location) + "!"
	if len(at) > placeLimit {
		at = at[:placeLimit]
	}
	return place{PartitionKey(r.Table), classOf(r.Status), at}
}

// classOf returns the class of hints of a status. The unsettled are few, and
// what is asked for most.
func classOf(s etl.FileStatus) string {
	switch s {
	case etl.Applied, etl.Skipped, etl.Superseded:
		return skDone
	}
	return skLive
}

func (p place) hintKey(id, tag string) item {
	return key(p.pk, p.class+p.at+id+"!"+tag)
}

// hint is what a hint's sort key tells.
type hint struct{ at, id string }

func parseHint(sk string) (hint, bool) {
	end := len(sk) - tagLen - 1
	begin := end - idLen
	if begin < len(skLive) {
		return hint{}, false
	}
	return hint{at: sk[len(skLive):begin], id: sk[begin:end]}, true
}

// cut tells whether the place may be shared by files of other orders.
func (h hint) cut() bool { return len(h.at) == placeLimit }
