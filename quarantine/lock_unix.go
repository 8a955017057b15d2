//go:build unix && !aix && !solaris

package quarantine

import (
	"errors"
	"os"
	"syscall"
)

// exclusive tells that modes of files mean something here.
const exclusive = true

// lock waits for the file to be nobody else's. It is given back by the process's end
// at the latest.
func lock(path string) (unlock func(), err error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	for {
		err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX)
		if !errors.Is(err, syscall.EINTR) {
			break
		}
	}
	if err != nil {
		_ = f.Close()
		return nil, err
	}
	return func() { _ = f.Close() }, nil
}
