package catalogsink

import (
	"bufio"
	"errors"
	"testing"

	"github.com/stretchr/testify/require"
)

// ended tells how it was ended.
type ended struct{ closed, aborted int }

func (e *ended) Write(p []byte) (int, error) { return len(p), nil }
func (e *ended) Close() error                { e.closed++; return nil }

type upload struct{ ended }

func (u *upload) Abort() { u.aborted++ }

// A file that is given up is not published by storage that publishes on Close.
func TestGiveUp(t *testing.T) {
	t.Parallel()
	u := &upload{}
	f := &fileWriter{out: u}
	f.abort()
	f.abort()
	require.Equal(t, ended{aborted: 1}, u.ended)
	local := &ended{}
	f = &fileWriter{out: local}
	f.abort()
	require.Equal(t, ended{closed: 1}, *local)
}

func TestPublish(t *testing.T) {
	t.Parallel()
	u, spoilt := &upload{}, errors.New("spoilt")
	require.NoError(t, publish(u, bufio.NewWriter(u), nil))
	require.Equal(t, ended{closed: 1}, u.ended)
	require.ErrorIs(t, publish(u, bufio.NewWriter(u), spoilt), spoilt)
	buffer := bufio.NewWriter(failing{spoilt})
	require.NoError(t, buffer.WriteByte(0))
	require.ErrorIs(t, publish(u, buffer, nil), spoilt)
	require.Equal(t, ended{closed: 1, aborted: 2}, u.ended)
}

type failing struct{ error }

func (f failing) Write([]byte) (int, error) { return 0, f.error }
