package dynamocontrol

import (
	"cmp"
	"context"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"github.com/tidemark-data/etl"
)

// hintPage is how many hints are read at a time, at most.
const hintPage = 1000

// hints merges the hints of both classes into one order.
type hints struct {
	streams []*hintStream
	last    hint
}

// hintStream reads the hints of one class page by page.
type hintStream struct {
	s    *Store
	in   *dynamodb.QueryInput
	page []hint
	end  bool
}

func newHints(s *Store, q etl.FileQuery) *hints {
	classes := map[string]bool{}
	for _, st := range q.Statuses {
		classes[classOf(st)] = true
	}
	limit := int32(hintPage)
	if q.Limit > 0 {
		limit = int32(min(max(q.Limit, batchRead), hintPage))
	}
	h := &hints{}
	for _, class := range []string{skLive, skDone} {
		if len(q.Statuses) == 0 || classes[class] {
			in := s.queryInput(PartitionKey(q.Table), class, queryOptions{keysOnly: true, limit: limit})
			h.streams = append(h.streams, &hintStream{s: s, in: in})
		}
	}
	return h
}

// peek returns the next hint; false at the end.
func (h *hintStream) peek(ctx context.Context) (hint, bool, error) {
	for len(h.page) == 0 && !h.end {
		items, err := h.s.page(ctx, h.in)
		if err != nil {
			return hint{}, false, err
		}
		h.end = h.in.ExclusiveStartKey == nil
		for _, it := range items {
			if x, ok := parseHint(textOf(it, attrSK)); ok {
				h.page = append(h.page, x)
			}
		}
	}
	if len(h.page) == 0 {
		return hint{}, false, nil
	}
	return h.page[0], true, nil
}

// next returns the least hint of all streams; false at the end.
func (h *hints) next(ctx context.Context, use func(hint) bool) (bool, error) {
	var least *hintStream
	for _, s := range h.streams {
		x, ok, err := s.peek(ctx)
		if err != nil {
			return false, err
		}
		if ok && (least == nil || cmp.Or(cmp.Compare(x.at, least.page[0].at), cmp.Compare(x.id, least.page[0].id)) < 0) {
			least = s
		}
	}
	if least == nil || !use(least.page[0]) {
		return false, nil
	}
	least.page = least.page[1:]
	return true, nil
}

// take returns the next hints, each file once: some 100, or more where a cut
// place is shared by more files. There are none at the end.
func (h *hints) take(ctx context.Context) ([]hint, error) {
	var out []hint
	for {
		ok, err := h.next(ctx, func(x hint) bool {
			if len(out) >= batchRead && (!x.cut() || x.at != out[len(out)-1].at) {
				return false
			}
			if x != h.last {
				out = append(out, x)
			}
			h.last = x
			return true
		})
		if err != nil || !ok {
			return out, err
		}
	}
}
