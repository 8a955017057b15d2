package dynamocontrol

import (
	"context"
	"fmt"
	"hash/fnv"
	"iter"
	"slices"
	"strconv"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"github.com/tidemark-data/etl"
)

// AttentionIndex is the name of the sparse global secondary index of the items
// that tell which data tables need attention.
const AttentionIndex = "attention"

const attrAttention = "attn"

// What needs attention; the values of attrAttention are these with a shard.
const (
	paused  = "paused"
	running = "running"
	opened  = "open"
	waiting = "waiting"
)

// shards divide the index, so that its writes do not meet in one partition.
const shards = 4

func shard(pk string) string {
	h := fnv.New32a()
	h.Write([]byte(pk))
	return "#" + strconv.Itoa(int(h.Sum32()%shards))
}

func attentionOf(st etl.State) string {
	switch {
	case st.Flag == etl.FlagPaused:
		return paused
	case st.Running != nil:
		return running
	case st.Open != nil:
		return opened
	}
	return ""
}

// Attention is a data table that may have something to be done about it.
type Attention struct {
	// Table is its name; empty for files whose table is not known.
	Table string
	// Paused, Running and Open tell of its state; of several the first is told.
	Paused, Running, Open bool
	// Waiting is set where it has files that are not settled: neither applied
	// nor skipped nor superseded.
	Waiting bool
}

// Attention returns the tables that are paused, running, collecting a full load
// or have unsettled files, by their partition keys. The answer comes from an index
// and may be a moment old ("Global secondary indexes", eventual consistency): it
// is for schedules and dashboards, and decides nothing. Its cost depends on the
// number of such tables, not of files.
func (s *Store) Attention(ctx context.Context) ([]Attention, error) {
	found := map[string]*Attention{}
	for _, kind := range []string{paused, running, opened, waiting} {
		for n := range shards {
			for it, err := range s.attention(ctx, kind+"#"+strconv.Itoa(n)) {
				if err != nil {
					return nil, fmt.Errorf("dynamocontrol: attention: %w", err)
				}
				pk := textOf(it, attrPK)
				a := found[pk]
				if a == nil {
					a = &Attention{Table: string(blobOf(it, "name"))}
					found[pk] = a
				}
				a.Paused = a.Paused || kind == paused
				a.Running = a.Running || kind == running
				a.Open = a.Open || kind == opened
				a.Waiting = a.Waiting || kind == waiting
			}
		}
	}
	pks := make([]string, 0, len(found))
	for pk := range found {
		pks = append(pks, pk)
	}
	slices.Sort(pks)
	out := make([]Attention, len(pks))
	for i, pk := range pks {
		out[i] = *found[pk]
	}
	return out, nil
}

// attention yields one item of each table that has any of that value: after each
// it goes on behind the table.
func (s *Store) attention(ctx context.Context, value string) iter.Seq2[item, error] {
	return func(yield func(item, error) bool) {
		in := &dynamodb.QueryInput{
			TableName: &s.opts.Table, IndexName: ptr(AttentionIndex), Limit: ptr(int32(1)),
			KeyConditionExpression:    ptr("#a = :a"),
			ExpressionAttributeNames:  map[string]string{"#a": attrAttention},
			ExpressionAttributeValues: item{":a": text(value)},
		}
		for {
			page, err := s.page(ctx, in)
			if err != nil {
				yield(nil, err)
				return
			}
			if len(page) == 0 || !yield(page[0], nil) {
				return
			}
			in.ExclusiveStartKey = nil
			in.KeyConditionExpression = ptr("#a = :a AND #pk > :pk")
			in.ExpressionAttributeNames = map[string]string{"#a": attrAttention, "#pk": attrPK}
			in.ExpressionAttributeValues = item{":a": text(value), ":pk": page[0][attrPK]}
		}
	}
}
