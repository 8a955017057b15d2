package dynamocontrol

import (
	"context"
	"errors"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/tidemark-data/etl"
)

// commit is one try of an update.
type commit struct {
	s              *Store
	c              *change
	h              head
	token          string
	state, history document
}

func (p *commit) fits() bool {
	size := min(len(p.state.data), chunk) + min(len(p.history.data), chunk)
	for _, f := range p.c.files {
		size += len(f.data) + 512
	}
	return len(p.c.files)+2 <= transactItems && size <= transactBytes
}

// hints returns what is to be put before and deleted after the commit.
func (p *commit) hints() (puts, deletes []item) {
	for i := range p.c.files {
		f := &p.c.files[i]
		if f.moves {
			puts = append(puts, f.hint())
		}
		if f.gone != nil {
			deletes = append(deletes, f.gone)
		}
	}
	return puts, deletes
}

// direct commits with one transaction, and the hints too if they fit into it.
func (p *commit) direct(ctx context.Context) error {
	items := p.core(false)
	for i := range p.c.files {
		f := &p.c.files[i]
		r := record{id: f.id, rev: p.token, data: f.data, tag: f.tag}
		items = append(items, p.s.putIf(r.item(), "rev", f.now.rev))
	}
	puts, deletes := p.hints()
	inside := len(items)+len(puts)+len(deletes) <= transactItems
	if inside {
		for _, it := range puts {
			items = append(items, p.s.plainPut(it))
		}
		for _, k := range deletes {
			items = append(items, p.s.plainDelete(k))
		}
		puts, deletes = nil, nil
	}
	err := p.before(ctx, puts)
	if err == nil {
		err = p.send(ctx, items)
	}
	p.after(ctx, err, puts, deletes)
	return err
}

// core are the items that every commit writes: the state and the history.
func (p *commit) core(staged bool) []types.TransactWriteItem {
	st := p.c.stateItem(p.h, p.token, p.state, staged)
	put := p.s.putIf(st, "version", "")
	if p.h.version > 0 {
		put.Put.ConditionExpression = ptr("#v = :base")
		put.Put.ExpressionAttributeNames = map[string]string{"#v": "version"}
		put.Put.ExpressionAttributeValues = item{":base": number(p.h.version)}
	}
	items := []types.TransactWriteItem{put}
	if p.c.history != nil {
		it := key(p.c.pk, fmt.Sprintf("%s%019d", skHistory, p.c.state.Version))
		p.history.into(it)
		items = append(items, p.s.plainPut(it))
	}
	return items
}

// before writes what has to be there at the commit.
func (p *commit) before(ctx context.Context, hints []item) error {
	reqs := make([]types.WriteRequest, len(hints))
	for i, it := range hints {
		reqs[i] = put(it)
	}
	if err := p.s.writeChunks(ctx, reqs); err != nil {
		return err
	}
	if err := p.s.store(ctx, p.c.pk, p.state); err != nil {
		return err
	}
	return p.s.store(ctx, p.c.pk, p.history)
}

// after deletes what the commit has replaced or, if there was none, what was
// written for it. What stays behind does no harm. While the outcome is unknown
// nothing is touched.
func (p *commit) after(ctx context.Context, err error, puts, deletes []item) {
	if errors.Is(err, etl.ErrUnknownCommit) {
		return
	}
	ctx, cancel := cleaning(ctx)
	defer cancel()
	unused := []document{p.h.doc}
	if err != nil {
		deletes, unused = puts, []document{p.state, p.history}
	}
	reqs := make([]types.WriteRequest, len(deletes))
	for i, it := range deletes {
		reqs[i] = del(key(textOf(it, attrPK), textOf(it, attrSK)))
	}
	_ = p.s.writeChunks(ctx, reqs)
	for _, d := range unused {
		_ = p.s.discard(ctx, p.c.pk, d)
	}
}
