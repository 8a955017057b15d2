// Command tidemark keeps Iceberg tables in a local folder in step with files
// that land in another. "tidemark help" lists its verbs, "tidemark help config"
// the keys of its config file; examples/quickstart has a short one.
//
// Exit codes:
//
//	0  all that was asked for is done
//	1  an error that may pass: the same command may succeed later
//	2  the command line or the config file is wrong
//	3  a table is paused and waits for an operator
//	4  a table is locked by another process, or work waits for its time
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second signal ends the process at once
	code := run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr, os.Getenv)
	stop()
	os.Exit(code)
}
