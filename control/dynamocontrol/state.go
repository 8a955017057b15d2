package dynamocontrol

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/tidemark-data/etl"
	"github.com/tidemark-data/etl/control/internal/body"
)

// head is a STATE item without its content.
type head struct {
	version, fence int64
	// recent are the tokens of the last updates, the newest last.
	recent []string
	// staged is set while an update in stages may not be finished.
	staged bool
	// claim is the TX of an update in stages that is, or was, on its way.
	claim string
	doc   document
}

const recentLimit = 16

func parseHead(it item) (head, error) {
	var h head
	if it == nil {
		return h, nil
	}
	var errs [2]error
	h.version, errs[0] = intOf(it, "version")
	h.fence, errs[1] = intOf(it, "fence")
	h.recent = strings.Fields(textOf(it, "recent"))
	h.staged = textOf(it, "staged") != ""
	h.claim = textOf(it, "claim")
	h.doc = documentOf(it)
	return h, errors.Join(errs[:]...)
}

func intOf(it item, name string) (int64, error) {
	v, ok := it[name].(*types.AttributeValueMemberN)
	if !ok {
		return 0, fmt.Errorf("attribute %s is missing or no number", name)
	}
	n, err := strconv.ParseInt(v.Value, 10, 64)
	if err != nil {
		return 0, fmt.Errorf("attribute %s is no 64-bit integer", name)
	}
	return n, nil
}

func number(n int64) types.AttributeValue {
	return &types.AttributeValueMemberN{Value: strconv.FormatInt(n, 10)}
}

// landed tells whether the update of a token, made on a version, is in the
// state; known is false where that is too long ago to tell.
func (h head) landed(base int64, token string) (landed, known bool) {
	if slices.Contains(h.recent, token) {
		return true, true
	}
	return false, h.version-base <= int64(len(h.recent))
}

func (s *Store) head(ctx context.Context, pk string) (head, error) {
	it, err := s.get(ctx, key(pk, skState))
	if err != nil {
		return head{}, err
	}
	h, err := parseHead(it)
	if err != nil {
		return h, corrupt("state", err)
	}
	return h, nil
}

// corrupt tells what is damaged, without the content.
func corrupt(what string, err error) error {
	if err == nil {
		return etl.WithOutcome(etl.Terminal, fmt.Errorf("%s is damaged", what))
	}
	return etl.WithOutcome(etl.Terminal, fmt.Errorf("%s is damaged: %w", what, err))
}

// State implements [etl.ControlStore].
func (s *Store) State(ctx context.Context, table string) (etl.State, error) {
	st, err := s.state(ctx, table)
	if err != nil {
		return etl.State{}, fmt.Errorf("dynamocontrol: state of %q: %w", table, err)
	}
	return st, nil
}

func (s *Store) state(ctx context.Context, table string) (etl.State, error) {
	if err := ctx.Err(); err != nil {
		return etl.State{}, err
	}
	pk := PartitionKey(table)
	for range s.opts.Attempts {
		h, err := s.head(ctx, pk)
		if err != nil {
			return etl.State{}, err
		}
		if h.version == 0 {
			return etl.State{Table: table}, nil
		}
		data, err := s.load(ctx, pk, h.doc)
		if errors.Is(err, errBlobGone) {
			continue // another update has replaced it
		}
		if err != nil {
			return etl.State{}, err
		}
		st, err := body.Unmarshal[etl.State](data)
		if err != nil || st.Version != h.version {
			return etl.State{}, corrupt("state", nil)
		}
		return st, nil
	}
	return etl.State{}, corrupt("state", errBlobGone)
}

// stateItem makes the STATE item of an update.
func (c *change) stateItem(h head, token string, doc document, staged bool) item {
	recent := append(slices.Clone(h.recent), token)
	if len(recent) > recentLimit {
		recent = recent[len(recent)-recentLimit:]
	}
	it := key(c.pk, skState)
	it["version"], it["fence"] = number(c.state.Version), number(c.state.Fence)
	it["recent"] = text(strings.Join(recent, " "))
	it["name"] = blob([]byte(c.state.Table))
	it["flag"] = printable(string(c.state.Flag))
	if staged {
		it["staged"] = text("maybe")
	}
	if a := attentionOf(c.state); a != "" {
		it[attrAttention] = text(a + shard(c.pk))
	}
	doc.into(it)
	return it
}
