package dynamocontrol

import (
	"context"
	"slices"

	"github.com/tidemark-data/etl"
	"github.com/tidemark-data/etl/control/internal/body"
)

// record is a FILE item.
type record struct {
	id string
	// rev changes with every write of the item; empty where there is none.
	rev string
	// data is the content, nil where the file is only to be; tag is that of its hint.
	data []byte
	tag  string
	// tx, if not empty, is the TX in partition txPK upon whose commit next and
	// nextTag take the place of data and tag.
	tx, txPK string
	next     []byte
	nextTag  string
}

func parseRecord(it item) record {
	pk := textOf(it, attrPK)
	return record{
		id: pk[min(len(pk), len("F#")):], rev: textOf(it, "rev"),
		data: blobOf(it, "body"), tag: textOf(it, "tag"),
		tx: textOf(it, "tx"), txPK: textOf(it, "txpk"), next: blobOf(it, "next"), nextTag: textOf(it, "nexttag"),
	}
}

func (r record) item() item {
	it := fileKey(r.id)
	it["rev"] = text(r.rev)
	if r.data != nil {
		it["body"], it["tag"] = blob(r.data), text(r.tag)
	}
	if r.tx != "" {
		it["tx"], it["txpk"], it["next"], it["nexttag"] = text(r.tx), text(r.txPK), blob(r.next), text(r.nextTag)
	}
	return it
}

func decode(data []byte) (etl.FileRecord, error) {
	rec, err := body.Unmarshal[etl.FileRecord](data)
	if err != nil {
		return rec, corrupt("the record of a file", nil)
	}
	return rec, nil
}

// hintKey is the key of the hint that leads to content of the record.
func (r record) hintKey(data []byte, tag string) (item, error) {
	rec, err := decode(data)
	if err != nil {
		return nil, err
	}
	return placeOf(rec).hintKey(r.id, tag), nil
}

// records reads the records of up to batchRead IDs; what is not there is not
// in the result.
func (s *Store) records(ctx context.Context, ids []string) (map[string]record, error) {
	out := make(map[string]record, len(ids))
	if len(ids) == 0 {
		return out, nil
	}
	keys := make([]item, len(ids))
	for i, id := range ids {
		keys[i] = fileKey(id)
	}
	items, err := s.getAll(ctx, keys)
	if err != nil {
		return nil, err
	}
	for _, it := range items {
		r := parseRecord(it)
		out[r.id] = r
	}
	return out, nil
}

// files reads the records of up to batchRead IDs as they stand: those that wait
// for a TX are what that has made of them.
func (s *Store) files(ctx context.Context, ids []string) (map[string]etl.FileRecord, error) {
	out := make(map[string]etl.FileRecord, len(ids))
	missed := map[string]string{} // record to the TX that was gone
	for len(ids) > 0 {
		recs, err := s.records(ctx, ids)
		if err != nil {
			return nil, err
		}
		status := map[string]txStatus{}
		ids = nil
		for id, r := range recs {
			st, err := s.statusOnce(ctx, r, status)
			if err != nil {
				return nil, err
			}
			// A TX that is gone was void, or it was done and the record has
			// been put right since: look again.
			if st == txGone && missed[id] != r.tx {
				missed[id], ids = r.tx, append(ids, id)
				continue
			}
			data := r.data
			if st == txDone {
				data = r.next
			}
			if data == nil {
				continue
			}
			if out[id], err = decode(data); err != nil {
				return nil, err
			}
		}
	}
	return out, nil
}

// statusOnce returns the status of the TX that r waits for, txVoid if there is none.
func (s *Store) statusOnce(ctx context.Context, r record, known map[string]txStatus) (txStatus, error) {
	if r.tx == "" {
		return txVoid, nil
	}
	if st, ok := known[r.tx]; ok {
		return st, nil
	}
	st, err := s.txStatus(ctx, r.txPK, r.tx)
	if err == nil {
		known[r.tx] = st
	}
	return st, err
}

// sortedIDs returns the IDs that may be those of files, each once.
func sortedIDs(ids []string) []string {
	ids = slices.DeleteFunc(slices.Clone(ids), func(id string) bool { return !isID(id) })
	slices.Sort(ids)
	return slices.Compact(ids)
}
