//go:build unix && !aix && !solaris

package spill

import (
	"os"
	"syscall"
	"time"
)

// lock holds f until it is closed or the process ends.
func lock(f *os.File) { _ = syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB) }

// abandoned reports whether nobody holds f.
func abandoned(f *os.File, _ time.Time) bool {
	return syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB) == nil
}
