package catalogsink

import (
	"bufio"
	"cmp"
	"context"
	"fmt"
	mathbits "math/bits"

	"github.com/apache/arrow-go/v18/parquet"
	"github.com/apache/arrow-go/v18/parquet/schema"
	"github.com/apache/iceberg-go"
	"github.com/apache/iceberg-go/table"

	"github.com/tidemark-data/etl/internal/pages"
)

// pageRecast writes a data file anew without decoding it: pages without removed
// rows are copied, the others lose the values of those rows. It is for files
// whose columns are stored as the table's schema says and in ways that package
// pages reads; the rest takes the way through Arrow.
type pageRecast struct {
	w       *work
	plan    *filePlan
	f       *dataFile
	in      *parquetFile
	without bits
	props   *parquet.WriterProperties
	schema  *schema.Schema // of the new file
	leaves  []int          // by its columns: those of the old file, or made
	groups  []int          // row groups with rows left
	exact   bool           // bounds of texts are values of the column
}

// filters are what the goroutines that filter row groups work with. Each is
// used by one at a time, so their number bounds the memory.
type filters chan *groupFilter

func newFilters(n int) filters {
	f := make(filters, n)
	for range n {
		f <- &groupFilter{done: make(chan error, 1)}
	}
	return f
}

// groupFilter filters one row group at a time.
type groupFilter struct {
	filter pages.Filter
	first  int64 // position of the row group's first row
	rows   int64
	keep   []byte // bits of the rows that stay
	kept   int64
	chunks []pages.Filtered
	done   chan error
}

// write writes the new file. It returns [pages.ErrForeign], wrapped, for a file
// that turns out to have to take the way through Arrow; what was begun at the
// path then is to be written over.
func (p *pageRecast) write(ctx context.Context, slots filters, path string) (_ iceberg.DataFile, err error) {
	file, err := p.w.fs.Create(path)
	if err != nil {
		return nil, fmt.Errorf("create %s: %w", path, err)
	}
	open := true
	defer func() {
		if open {
			giveUp(file)
		}
	}()
	buffer := bufio.NewWriterSize(file, 1<<20)
	size := &counter{w: buffer}
	out, err := pages.NewWriter(size, p.schema, p.props, p.plan.pool)
	if err != nil {
		return nil, fmt.Errorf("write %s: %w", path, err)
	}
	defer out.Release()
	if err := p.copyGroups(ctx, slots, out); err != nil {
		return nil, err
	}
	meta, err := out.Close()
	open = false
	if err = publish(file, buffer, err); err != nil {
		return nil, fmt.Errorf("write %s: %w", path, err)
	}
	return table.DataFileFromMetadata(table.DataFileArgs{
		Schema: p.plan.ice, Spec: p.plan.spec, Format: iceberg.ParquetFile, Metadata: meta, FilePath: path, FileSize: size.n,
		Content: iceberg.EntryContentData, PartitionValues: p.f.Partition(), Properties: p.plan.props, FormatVersion: p.plan.format,
	})
}

// copyGroups filters row groups side by side, as filters are free, and writes
// them in their order.
func (p *pageRecast) copyGroups(ctx context.Context, slots filters, out *pages.Writer) (failed error) {
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	queue := make(chan *groupFilter, cap(slots))
	go func() {
		defer close(queue)
		for _, rg := range p.groups {
			select {
			case <-ctx.Done():
				return
			case s := <-slots:
				go func() { s.done <- p.filter(ctx, s, rg) }()
				queue <- s
			}
		}
	}()
	for s := range queue { // to its end in any case, or filters would be lost
		err := <-s.done
		if err == nil && failed == nil {
			err = p.writeGroup(s, out)
		}
		slots <- s
		if err != nil && failed == nil {
			failed = err
			stop(err)
		}
	}
	return cmp.Or(failed, ctx.Err())
}

// filter takes the removed rows out of a row group.
func (p *pageRecast) filter(ctx context.Context, s *groupFilter, rg int) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("read %s: a page could not be copied: %v", p.in.path, r)
		}
	}()
	p.keep(s, rg)
	for len(s.chunks) < len(p.leaves) {
		s.chunks = append(s.chunks, pages.Filtered{})
	}
	for i, at := range p.leaves {
		if err := ctx.Err(); err != nil {
			return err
		}
		if at == made {
			continue
		}
		meta, err := p.in.MetaData().RowGroup(rg).ColumnChunk(at)
		if err != nil {
			return fmt.Errorf("read %s: %w", p.in.path, err)
		}
		extent, _ := p.in.pagesOf(rg, at, meta)
		extent.Inexact = extent.Type == parquet.Types.ByteArray && !p.exact
		keep := s.keep
		if s.kept == extent.Rows && !extent.Inexact {
			keep = nil
		}
		stats, err := p.stats(meta, p.schema.Column(i))
		if err == nil {
			err = s.filter.Chunk(&s.chunks[i], p.in.in, p.in.MetaData().GetSourceFileSize(), extent, p.schema.Column(i), keep, stats)
		}
		if err != nil {
			return fmt.Errorf("read %s: column %s: %w", p.in.path, p.schema.Column(i).Name(), err)
		}
	}
	return nil
}

// keep marks the rows of a row group that stay.
func (p *pageRecast) keep(s *groupFilter, rg int) {
	s.first, s.rows = p.in.first[rg], p.in.first[rg+1]-p.in.first[rg]
	s.keep, s.kept = s.keep[:0], 0
	for i := int64(0); i < s.rows; i += 8 {
		stay := ^p.without.next8(s.first + i)
		if s.rows-i < 8 {
			stay &= 1<<(s.rows-i) - 1
		}
		s.keep = append(s.keep, stay)
		s.kept += int64(mathbits.OnesCount8(stay))
	}
}

// next8 are the eight bits from a position on.
func (b bits) next8(pos int64) byte {
	at, shift := pos>>6, uint(pos&63)
	if at >= int64(len(b)) {
		return 0
	}
	v := b[at] >> shift
	if shift > 56 && at+1 < int64(len(b)) {
		v |= b[at+1] << (64 - shift)
	}
	return byte(v)
}

func (p *pageRecast) writeGroup(s *groupFilter, out *pages.Writer) error {
	g, err := out.BeginGroup(s.kept)
	if err != nil {
		return err
	}
	for i, at := range p.leaves {
		if at == made {
			id := int(p.schema.Column(i).SchemaNode().FieldID())
			if err := g.Encode(p.f.lineageOf(id, s)); err != nil {
				return err
			}
			continue
		}
		c, err := g.Chunk(s.chunks[i].Codec)
		if err != nil {
			return err
		}
		if err := s.chunks[i].WriteTo(c); err != nil {
			return err
		}
	}
	return g.Close()
}
