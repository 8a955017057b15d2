package dynamocontrol

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/tidemark-data/etl"
	"github.com/tidemark-data/etl/internal/dynamo"
)

// txStatus is the status of a TX.
type txStatus string

const (
	txGone txStatus = ""
	txOpen txStatus = "open"
	txDone txStatus = "done" // committed
	txVoid txStatus = "void" // can no longer commit
)

// tx is a TX item: an update in stages.
type tx struct {
	pk, id string
	status txStatus
	base   int64
	count  int64    // of its records
	ids    document // of its records, one behind the other
}

func parseTx(it item) (tx, error) {
	t := tx{pk: textOf(it, attrPK), id: strings.TrimPrefix(textOf(it, attrSK), skTx), status: txStatus(textOf(it, "status")), ids: documentOf(it)}
	var errs [2]error
	t.base, errs[0] = intOf(it, "base")
	t.count, errs[1] = intOf(it, "count")
	if err := errors.Join(errs[:]...); err != nil {
		return t, corrupt("a TX item", err)
	}
	return t, nil
}

func (t tx) item(status txStatus) item {
	it := key(t.pk, skTx+t.id)
	it["status"], it["base"], it["count"] = text(string(status)), number(t.base), number(t.count)
	t.ids.into(it)
	return it
}

func (s *Store) txStatus(ctx context.Context, pk, id string) (txStatus, error) {
	it, err := s.get(ctx, key(pk, skTx+id))
	return txStatus(textOf(it, "status")), err
}

// clear frees records from the TX that they wait for, once that is no longer
// open, and finishes it.
func (s *Store) clear(ctx context.Context, recs []record) error {
	byTx := map[string][]string{}
	partition := map[string]string{}
	for _, r := range recs {
		byTx[r.tx], partition[r.tx] = append(byTx[r.tx], r.id), r.txPK
	}
	for id, ids := range byTx {
		t, err := s.end(ctx, partition[id], id)
		if err == nil {
			err = s.finish(ctx, t)
		}
		// If it is gone, these records either are free already, and settle
		// leaves them alone, or the TX was void.
		if err == nil {
			err = s.settle(ctx, id, ids, t.status == txDone)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// end waits for a TX to be no longer open. If that takes too long its process
// may be dead, and it is made void. Nobody waits who makes others wait.
func (s *Store) end(ctx context.Context, pk, id string) (tx, error) {
	for start := time.Now(); ; {
		it, err := s.get(ctx, key(pk, skTx+id))
		if err != nil || it == nil {
			return tx{pk: pk, id: id}, err
		}
		t, err := parseTx(it)
		if err != nil || t.status != txOpen {
			return t, err
		}
		if time.Since(start) > s.opts.Patience+time.Duration(t.count)*s.opts.Patience/1000 {
			t.status, err = s.void(ctx, t)
			return t, err
		}
		if err := s.pause(ctx, 3); err != nil {
			return t, err
		}
	}
}

// void makes an open TX void, unless it is not open any more, and returns what
// it is then.
func (s *Store) void(ctx context.Context, t tx) (txStatus, error) {
	put := s.putIf(t.item(txVoid), "status", string(txOpen))
	v, err := s.transact(ctx, rand.Text(), items(put))
	if err == nil {
		return txVoid, nil
	}
	if v == dynamo.Never {
		return "", dynamo.Outcome(v, err)
	}
	st, serr := s.txStatus(ctx, t.pk, t.id)
	if serr != nil {
		return "", serr
	}
	if st == txOpen {
		return "", etl.WithOutcome(etl.Retry, err)
	}
	return st, nil
}

// settle frees records from a TX: with its content if it is done, else without.
// Hints that lead nowhere then are deleted. Records that do not wait for the TX
// are left alone.
func (s *Store) settle(ctx context.Context, txID string, ids []string, done bool) error {
	chunks := (len(ids) + batchRead - 1) / batchRead
	return s.parallel(ctx, chunks, func(ctx context.Context, i int) error {
		part := ids[i*batchRead : min(len(ids), (i+1)*batchRead)]
		var err error
		for n := 1; n <= s.opts.Attempts; n++ {
			var left bool
			if left, err = s.settlePart(ctx, txID, part, done); err == nil && !left {
				return nil
			}
			if err != nil && etl.OutcomeOf(err) == etl.Terminal {
				return err
			}
			if perr := s.pause(ctx, n); perr != nil {
				return perr
			}
		}
		if err == nil {
			err = etl.WithOutcome(etl.Retry, fmt.Errorf("records of an update in stages: %w", errMoved))
		}
		return err
	})
}

// settlePart settles up to batchRead records; left is set where some may be left.
func (s *Store) settlePart(ctx context.Context, txID string, ids []string, done bool) (left bool, err error) {
	recs, err := s.records(ctx, ids)
	if err != nil {
		return false, err
	}
	for id, r := range recs {
		if r.tx != txID {
			delete(recs, id)
		}
	}
	for batch := range batches(recs) {
		if err := s.settleBatch(ctx, batch, done, &left); err != nil {
			return false, err
		}
	}
	return left, nil
}
