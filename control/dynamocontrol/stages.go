package dynamocontrol

import (
	"context"
	"crypto/rand"
	"errors"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/tidemark-data/etl"
	"github.com/tidemark-data/etl/internal/dynamo"
)

// inStages commits an update that one transaction cannot hold. The steps are
// those of the package documentation.
func (p *commit) inStages(ctx context.Context) error {
	t, err := p.open(ctx)
	if err == nil {
		err = p.claim(ctx, t)
	}
	if err == nil {
		err = p.lock(ctx, t)
	}
	puts, _ := p.hints()
	if err == nil {
		err = p.before(ctx, puts)
	}
	if err == nil {
		done := p.s.putIf(t.item(txDone), "status", string(txOpen))
		err = p.send(ctx, append(p.core(true), done))
	}
	if errors.Is(err, etl.ErrUnknownCommit) {
		return err // whoever comes next finishes it, one way or the other
	}
	t.status = txDone
	if err != nil {
		t.status = p.giveUp(ctx, t)
	}
	// The commit is done, or it is not; what is left behind does no harm.
	clean, cancel := cleaning(ctx)
	defer cancel()
	if t.status != txOpen {
		_ = p.s.finish(clean, t)
	}
	p.after(clean, err, puts, nil)
	return err
}

// giveUp makes the TX void, so that readers need not wait.
func (p *commit) giveUp(ctx context.Context, t tx) txStatus {
	clean, cancel := cleaning(ctx)
	defer cancel()
	st, err := p.s.void(clean, t)
	if err != nil {
		return txOpen
	}
	return st
}

// open writes the TX.
func (p *commit) open(ctx context.Context) (tx, error) {
	ids := make([]byte, 0, len(p.c.files)*idLen)
	for _, f := range p.c.files {
		ids = append(ids, f.id...)
	}
	t := tx{pk: p.c.pk, id: p.token, status: txOpen, base: p.c.base, count: int64(len(p.c.files)), ids: newDocument(ids, p.token+"t")}
	if err := p.s.store(ctx, t.pk, t.ids); err != nil {
		return t, err
	}
	v, err := p.s.transact(ctx, p.token+"o", items(p.s.putIf(t.item(txOpen), "status", "")))
	return t, dynamo.Outcome(v, err)
}

// lock writes the new content beside the old into every record.
func (p *commit) lock(ctx context.Context, t tx) error {
	locked := make(map[string]record, len(p.c.files))
	was := make(map[string]string, len(p.c.files))
	for _, f := range p.c.files {
		r := f.now
		r.id, r.rev = f.id, p.token
		r.tx, r.txPK, r.next, r.nextTag = t.id, t.pk, f.data, f.tag
		locked[f.id], was[f.id] = r, f.now.rev
	}
	var parts [][]record
	for batch := range batches(locked) {
		parts = append(parts, batch)
	}
	return p.s.parallel(ctx, len(parts), func(ctx context.Context, i int) error {
		writes := make([]types.TransactWriteItem, len(parts[i]))
		for j, r := range parts[i] {
			writes[j] = p.s.putIf(r.item(), "rev", was[r.id])
		}
		return p.s.lockPart(ctx, parts[i], writes)
	})
}

// lockPart writes records unless one of them has changed.
func (s *Store) lockPart(ctx context.Context, recs []record, writes []types.TransactWriteItem) error {
	v, err := s.transact(ctx, rand.Text(), writes)
	if err == nil || v == dynamo.Never || v == dynamo.NotNow {
		return dynamo.Outcome(v, err)
	}
	ids := make([]string, len(recs))
	for i, r := range recs {
		ids[i] = r.id
	}
	now, rerr := s.records(ctx, ids)
	if rerr != nil {
		return rerr
	}
	for _, r := range recs {
		if now[r.id].tx == r.tx {
			continue // an attempt has landed
		}
		if v == dynamo.Unanswered {
			return dynamo.Outcome(v, err)
		}
		return errMoved
	}
	return nil
}

// claim tells other writers of the same version that this update is on its way.
// Small updates are quicker, and would let no large one through.
func (p *commit) claim(ctx context.Context, t tx) error {
	if p.h.version == 0 {
		return nil // there is no STATE yet, nor a crowd
	}
	u := &types.Update{
		TableName: &p.s.opts.Table, Key: key(p.c.pk, skState),
		UpdateExpression:          ptr("SET #c = :c"),
		ConditionExpression:       ptr("#v = :base AND (attribute_not_exists(#c) OR #c = :dead)"),
		ExpressionAttributeNames:  map[string]string{"#c": "claim", "#v": "version"},
		ExpressionAttributeValues: item{":c": text(t.id), ":base": number(p.h.version), ":dead": text(p.h.claim)},
	}
	v, err := p.s.transact(ctx, rand.Text(), items(types.TransactWriteItem{Update: u}))
	if v == dynamo.Unmet || v == dynamo.UnmetLate {
		return errMoved // the next try gives way
	}
	return dynamo.Outcome(v, err)
}

// giveWay waits for an update in stages that is on its way, and returns the head
// as it is then: its claim, if there is one, is dead.
func (s *Store) giveWay(ctx context.Context, c *change, h head) (head, error) {
	for h.claim != "" {
		claim := h.claim
		_, err := s.end(ctx, c.pk, claim)
		if err == nil {
			h, err = s.head(ctx, c.pk)
		}
		if err == nil {
			err = c.check(h)
		}
		if err != nil || h.claim == claim {
			return h, err
		}
	}
	return h, nil
}
