package catalogsink

import (
	"context"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"

	"github.com/tidemark-data/etl"
	"github.com/tidemark-data/etl/internal/rowkey"
)

func (s *settling) scanSheet(ctx context.Context, index int, f *stagedData) error {
	in, err := s.p.openSheet(f.run)
	if err != nil {
		return err
	}
	defer in.close()
	var b rowkey.Batch
	return in.each(ctx, func(keys []arrow.Array, orders *array.Binary, fates []int32) error {
		if err := s.keys.Encode(&b, keys); err != nil {
			return err
		}
		for row := range b.Len() {
			c := claim{key: b.Append(nil, row), index: index, file: -1, fate: etl.Fate(fates[row])}
			if orders.IsValid(row) {
				c.order = append([]byte{}, orders.Value(row)...)
			}
			if err := s.take(c); err != nil {
				return err
			}
		}
		return nil
	})
}

func (s *settling) scanData(ctx context.Context, index int, df *dataFile) error {
	in, err := openFile(s.p.fs, df)
	if err != nil {
		return err
	}
	defer in.close()
	var keys, orders rowkey.Batch
	n := len(s.p.target.Key)
	for rg := range in.NumRowGroups() {
		err := in.read(ctx, rg, s.cols, func(pos int64, got []arrow.Array) error {
			if err := s.keys.Encode(&keys, got[:n]); err != nil {
				return err
			}
			if s.orders != nil {
				if err := s.orders.Encode(&orders, got[n:]); err != nil {
					return err
				}
			}
			for row := range keys.Len() {
				c := claim{key: keys.Append(nil, row), index: index, file: s.at[df], pos: pos + int64(row)}
				if s.orders != nil && !orders.Null(row) {
					c.order = orders.Append([]byte{}, row)
				}
				if err := s.take(c); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}
