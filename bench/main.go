// Command bench measures Tidemark beside its peers, on the same data and the
// same work. Every measured piece of work is a process of its own: this command
// starts itself for Tidemark, and Python for the peers. See README.md.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
)

func main() { os.Exit(start(os.Args[1:])) }

func start(args []string) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, args, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		return 1
	}
	return 0
}

const usage = `usage: bench COMMAND [flags]
  peers    the works against DuckDB, PyIceberg and Spark
  memory   peak memory of large loads under a small budget
  growth   curves over base rows and changes, as results and pictures
  profile  where the CPU time and the allocations of a load go
  table    the results as a table
  gen      write one CSV file of the benchmarks' data
  load     one load, as the other commands start it
  expect   sums over the table that a load must leave, likewise`

func run(ctx context.Context, args []string, out io.Writer) error {
	if len(args) == 0 {
		return errors.New(usage)
	}
	commands := map[string]func(context.Context, []string, io.Writer) error{
		"peers": peersCommand, "memory": memoryCommand, "growth": growthCommand,
		"profile": profileCommand, "gen": genCommand, "load": loadCommand, "table": tableCommand, "expect": expectCommand,
	}
	c, ok := commands[args[0]]
	if !ok {
		return errors.New(usage)
	}
	err := c(ctx, args[1:], out)
	if errors.Is(err, flag.ErrHelp) {
		return nil
	}
	return err
}
