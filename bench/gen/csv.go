package gen

import (
	"bufio"
	"context"
	"io"
	"strconv"
	"time"
)

// WriteCSV writes the rows as AWS DMS does: without a header, and with the operation
// first where they are changes.
func WriteCSV(ctx context.Context, w io.Writer, s Spec) error {
	m := New(s)
	out := bufio.NewWriterSize(w, 1<<20)
	var line []byte
	for i := range s.Rows() {
		if i%10_000 == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
		r := m.Row(i)
		line = r.appendCSV(line[:0])
		if _, err := out.Write(line); err != nil {
			return err
		}
	}
	return out.Flush()
}

func (r *Row) appendCSV(b []byte) []byte {
	if r.Op != 0 {
		b = append(b, r.Op, ',')
	}
	b = append(strconv.AppendInt(b, r.ID, 10), ',')
	b = append(time.UnixMicro(r.UpdatedAt).UTC().AppendFormat(b, "2006-01-02 15:04:05.000000"), ',')
	b = append(strconv.AppendInt(b, r.Account, 10), ',')
	b = append(append(b, r.Status...), ',')
	b = append(append(b, r.Country...), ',')
	b = append(strconv.AppendInt(b, r.Amount/100, 10), '.', byte('0'+r.Amount/10%10), byte('0'+r.Amount%10), ',')
	b = append(strconv.AppendInt(b, int64(r.Quantity), 10), ',')
	b = append(time.Unix(int64(r.Created)*86400, 0).UTC().AppendFormat(b, "2006-01-02"), ',')
	return append(r.AppendNote(b), '\n')
}
