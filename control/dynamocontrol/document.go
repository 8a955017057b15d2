package dynamocontrol

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
)

// chunk is the greatest number of bytes of content in one item, which may have
// 400 KB with everything.
const chunk = 300 << 10

// document is content that stands in its item or, if it is too long for that,
// in blob items named by a tag. Those are written before the item and never
// changed.
type document struct {
	data  []byte
	tag   string // empty where data is the content
	parts int64
}

func newDocument(data []byte, tag string) document {
	if len(data) <= chunk {
		return document{data: data}
	}
	return document{data: data, tag: tag, parts: int64(len(data)+chunk-1) / chunk}
}

func (d document) into(it item) {
	if d.tag == "" {
		it["body"] = blob(d.data)
		return
	}
	it["blob"], it["parts"] = text(d.tag), number(d.parts)
}

func documentOf(it item) document {
	d := document{data: blobOf(it, "body"), tag: textOf(it, "blob")}
	if d.tag != "" {
		d.parts, _ = intOf(it, "parts")
	}
	return d
}

func (d document) key(pk string, part int64) item {
	return key(pk, fmt.Sprintf("%s%s#%06d", skBlob, d.tag, part))
}

// store writes the blobs of a document, if it has any.
func (s *Store) store(ctx context.Context, pk string, d document) error {
	if d.tag == "" {
		return nil
	}
	var reqs []types.WriteRequest
	part := int64(0)
	for data := range slices.Chunk(d.data, chunk) {
		it := d.key(pk, part)
		it["body"] = blob(data)
		reqs = append(reqs, put(it))
		part++
	}
	return s.writeChunks(ctx, reqs)
}

// discard deletes the blobs of a document that no item names.
func (s *Store) discard(ctx context.Context, pk string, d document) error {
	if d.tag == "" {
		return nil
	}
	var reqs []types.WriteRequest
	for part := range d.parts {
		reqs = append(reqs, del(d.key(pk, part)))
	}
	return s.writeChunks(ctx, reqs)
}

var errBlobGone = errors.New("parts of the content are missing")

// load reads the content of a document.
func (s *Store) load(ctx context.Context, pk string, d document) ([]byte, error) {
	if d.tag == "" {
		return d.data, nil
	}
	var data []byte
	parts := int64(0)
	for it, err := range s.query(ctx, pk, skBlob+d.tag+"#", queryOptions{}) {
		if err != nil {
			return nil, err
		}
		data = append(data, blobOf(it, "body")...)
		parts++
	}
	if parts != d.parts {
		return nil, errBlobGone
	}
	return data, nil
}

type queryOptions struct {
	descending bool
	keysOnly   bool
	limit      int32 // of a page; 0 is 1 MB
}

// queryInput selects the items of a partition whose sort keys begin with prefix.
func (s *Store) queryInput(pk, prefix string, o queryOptions) *dynamodb.QueryInput {
	in := &dynamodb.QueryInput{
		TableName:                 &s.opts.Table,
		KeyConditionExpression:    ptr("#pk = :pk AND begins_with(#sk, :prefix)"),
		ExpressionAttributeNames:  map[string]string{"#pk": attrPK, "#sk": attrSK},
		ExpressionAttributeValues: item{":pk": text(pk), ":prefix": text(prefix)},
		ConsistentRead:            ptr(true),
		ScanIndexForward:          ptr(!o.descending),
	}
	if o.keysOnly {
		in.ProjectionExpression = ptr("#sk")
	}
	if o.limit > 0 {
		in.Limit = &o.limit
	}
	return in
}

// query yields items page by page.
func (s *Store) query(ctx context.Context, pk, prefix string, o queryOptions) func(yield func(item, error) bool) {
	return func(yield func(item, error) bool) {
		in := s.queryInput(pk, prefix, o)
		for {
			page, err := s.page(ctx, in)
			if err != nil {
				yield(nil, err)
				return
			}
			for _, it := range page {
				if !yield(it, nil) {
					return
				}
			}
			if in.ExclusiveStartKey == nil {
				return
			}
		}
	}
}

// page reads one page and sets in up for the next; without one,
// ExclusiveStartKey is nil.
func (s *Store) page(ctx context.Context, in *dynamodb.QueryInput) ([]item, error) {
	var out *dynamodb.QueryOutput
	err := s.do(ctx, func() (err error) {
		out, err = s.client.Query(ctx, in)
		return err
	})
	if err != nil {
		return nil, err
	}
	in.ExclusiveStartKey = out.LastEvaluatedKey
	if len(in.ExclusiveStartKey) == 0 {
		in.ExclusiveStartKey = nil
	}
	return out.Items, nil
}

// writeChunks is writeAll for any number of requests.
func (s *Store) writeChunks(ctx context.Context, reqs []types.WriteRequest) error {
	return s.parallel(ctx, (len(reqs)+batchWrite-1)/batchWrite, func(ctx context.Context, i int) error {
		return s.writeAll(ctx, reqs[i*batchWrite:min(len(reqs), (i+1)*batchWrite)])
	})
}

// printable is text as an attribute for people to read, and for nothing else.
func printable(s string) types.AttributeValue { return text(strings.ToValidUTF8(s, "?")) }
