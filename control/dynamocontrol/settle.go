package dynamocontrol

import (
	"context"
	"crypto/rand"
	"errors"
	"iter"
	"slices"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/tidemark-data/etl/internal/dynamo"
)

func items(it ...types.TransactWriteItem) []types.TransactWriteItem { return it }

// batches divides records so that each part fits into one transaction.
func batches(recs map[string]record) iter.Seq[[]record] {
	return func(yield func([]record) bool) {
		var batch []record
		size := 0
		for _, r := range recs {
			n := len(r.data) + len(r.next) + 512
			if len(batch) == transactItems || size+n > transactBytes {
				if !yield(batch) {
					return
				}
				batch, size = nil, 0
			}
			batch, size = append(batch, r), size+n
		}
		if len(batch) > 0 {
			yield(batch)
		}
	}
}

// settleBatch settles records that wait for one TX, in one transaction. Where
// one of them is not as it was read, none is, and left is set.
func (s *Store) settleBatch(ctx context.Context, recs []record, done bool, left *bool) error {
	var writes []types.TransactWriteItem
	var gone []types.WriteRequest
	for _, r := range recs {
		w, hints, err := s.settled(r, done)
		if err != nil {
			return err
		}
		writes = append(writes, w)
		for _, h := range hints {
			gone = append(gone, del(h))
		}
	}
	v, err := s.transact(ctx, rand.Text(), writes)
	*left = *left || err != nil && v != dynamo.Never
	if v == dynamo.Unmet || v == dynamo.UnmetLate {
		return nil
	}
	if err != nil {
		return dynamo.Outcome(v, err)
	}
	return s.writeChunks(ctx, gone)
}

// settled returns the write that frees a record, and the hints to delete.
func (s *Store) settled(r record, done bool) (types.TransactWriteItem, []item, error) {
	var hints []item
	remove := func(data []byte, tag string) error {
		k, err := r.hintKey(data, tag)
		hints = append(hints, k)
		return err
	}
	free := record{id: r.id, rev: rand.Text(), data: r.data, tag: r.tag}
	var err error
	switch {
	case done:
		free.data, free.tag = r.next, r.nextTag
		if r.data != nil && r.tag != r.nextTag {
			err = remove(r.data, r.tag)
		}
	case r.tag != r.nextTag:
		err = remove(r.next, r.nextTag)
	}
	if err != nil {
		return types.TransactWriteItem{}, nil, err
	}
	if free.data == nil {
		return s.deleteIf(fileKey(r.id), "rev", r.rev), hints, nil
	}
	return s.putIf(free.item(), "rev", r.rev), hints, nil
}

// sweep finishes the updates in stages of a table that are done or void, and
// voids those made on a version that is no longer the table's.
func (s *Store) sweep(ctx context.Context, pk string, version int64) error {
	for it, err := range s.query(ctx, pk, skTx, queryOptions{}) {
		if err != nil {
			return err
		}
		t, err := parseTx(it)
		if err != nil {
			return err
		}
		if t.status == txOpen {
			if t.base >= version {
				continue
			}
			if t.status, err = s.void(ctx, t); err != nil {
				return err
			}
		}
		if err := s.finish(ctx, t); err != nil {
			return err
		}
	}
	return nil
}

// finish settles all records of a TX that is not open and deletes it. It may be
// repeated, also by several at a time.
func (s *Store) finish(ctx context.Context, t tx) error {
	if t.status == txGone {
		return nil
	}
	data, err := s.load(ctx, t.pk, t.ids)
	if errors.Is(err, errBlobGone) {
		return nil // somebody else is about to finish it
	}
	if err != nil {
		return err
	}
	var ids []string
	for id := range slices.Chunk(data, idLen) {
		ids = append(ids, string(id))
	}
	if err := s.settle(ctx, t.id, ids, t.status == txDone); err != nil {
		return err
	}
	if err := s.writeChunks(ctx, []types.WriteRequest{del(key(t.pk, skTx+t.id))}); err != nil {
		return err
	}
	return s.discard(ctx, t.pk, t.ids)
}
