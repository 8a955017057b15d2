//go:build !unix || aix || solaris

package quarantine

import gosync "sync"

const exclusive = false

var one gosync.Mutex

// lock keeps other goroutines out; there is no lock between processes.
func lock(string) (unlock func(), err error) {
	one.Lock()
	return one.Unlock, nil
}
