//go:build !unix || aix || solaris

package sparkdispatch

import (
	"context"
	"errors"
	"os"
	"time"
)

const supported = false

var errSystem = errors.New("jobs need a Unix system")

func start(string, []string, string, []string) error  { return errSystem }
func lockFile(string, bool) (*os.File, error)         { return nil, errSystem }
func locked(string) (bool, error)                     { return false, errSystem }
func end(context.Context, trace, time.Duration) error { return errSystem }
