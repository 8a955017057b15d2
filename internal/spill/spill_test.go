package spill

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func open(t *testing.T, base string) *Dir {
	d, err := Open(base)
	require.NoError(t, err)
	return d
}

func TestRecordsComeBackInOrder(t *testing.T) {
	d := open(t, t.TempDir())
	f, err := d.Create(8, 100)
	require.NoError(t, err)
	r := rand.New(rand.NewPCG(1, 2))
	var want [8][]byte
	for i := range 5000 {
		p := r.IntN(7) // the last one stays empty
		rec := binary.AppendUvarint(nil, uint64(i))
		if r.IntN(100) == 0 {
			rec = append(rec, make([]byte, 1000)...)
		}
		want[p] = append(want[p], rec...)
		require.NoError(t, f.Append(p, rec))
	}
	require.NoError(t, f.Flush())
	total := int64(0)
	for p := range want {
		var got []byte
		require.NoError(t, f.Each(p, func(b []byte) error {
			got = append(got, b...)
			return nil
		}))
		require.True(t, bytes.Equal(want[p], got))
		require.EqualValues(t, len(want[p]), f.Bytes(p))
		total += f.Records(p)
	}
	require.EqualValues(t, 5000, total)
	require.Zero(t, f.Records(7))
	stop := fmt.Errorf("stop")
	require.ErrorIs(t, f.Each(0, func([]byte) error { return stop }), stop)
	require.NoError(t, f.Close())
	require.NoError(t, d.Close())
	_, err = os.Stat(d.path)
	require.ErrorIs(t, err, os.ErrNotExist)
}

func TestBrokenFileIsAnError(t *testing.T) {
	d := open(t, t.TempDir())
	f, err := d.Create(1, 10)
	require.NoError(t, err)
	require.NoError(t, f.Append(0, make([]byte, 20)))
	require.NoError(t, f.Flush())
	require.NoError(t, f.f.Truncate(5))
	require.ErrorContains(t, f.Each(0, func([]byte) error { return nil }), "spill")
	require.NoError(t, f.Close())
	require.ErrorContains(t, f.Append(0, make([]byte, 20)), "spill", "as with a full disk")
	require.NoError(t, d.Close())
	_, err = Open(filepath.Join(t.TempDir(), "none"))
	require.ErrorIs(t, err, os.ErrNotExist)
}

// TestSweep: what dead processes left is removed, what the living use is not.
func TestSweep(t *testing.T) {
	base := t.TempDir()
	alive := open(t, base)
	dead := open(t, base)
	require.NoError(t, os.WriteFile(filepath.Join(dead.path, "7"), []byte("left"), 0o600))
	require.NoError(t, dead.lock.Close())
	bare := filepath.Join(base, prefix+"without-lock")
	other := filepath.Join(base, "something-else")
	fresh := filepath.Join(base, prefix+"fresh")
	for _, path := range []string{bare, other, fresh} {
		require.NoError(t, os.Mkdir(path, 0o700))
	}
	old := time.Now().Add(-48 * time.Hour)
	for _, path := range []string{alive.path, dead.path, bare, other} {
		require.NoError(t, os.Chtimes(path, old, old))
	}
	Sweep(base)
	require.NoDirExists(t, dead.path)
	require.NoDirExists(t, bare)
	require.DirExists(t, other)
	require.DirExists(t, fresh)
	require.DirExists(t, alive.path)
	require.NoError(t, alive.Close())
	require.NoDirExists(t, alive.path)
}
