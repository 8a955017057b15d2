// Command spark runs the quickstart's table under flag G: this process registers
// files, decides what comes next and keeps the ledger, and Spark does the work. It
// needs nothing but a local Spark:
//
//	go run ./examples/spark -dir spark-lake
//
// Without one it says what to install; -install does so, into a folder of its own.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"log"
	"os"
	"os/signal"
	"path/filepath"

	"github.com/tidemark-data/etl"
)

func main() {
	dir := flag.String("dir", "spark-lake", "the `folder` to make")
	install := flag.Bool("install", false, "install Spark into a Python environment in the user's cache folder, if none is there")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := start(ctx, *dir, *install, os.Stdout)
	stop()
	if err != nil {
		log.Fatal(err)
	}
}

func start(ctx context.Context, dir string, install bool, out io.Writer) error {
	s, err := findSpark(ctx)
	if err != nil && install {
		s, err = installSpark(ctx, out)
	}
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "Spark %s: %s\n", s.version, s.command)
	return run(ctx, dir, s, etl.FlagDistributed, out)
}

// run lands the files step by step and has each worked off under a flag.
func run(ctx context.Context, dir string, s spark, flag etl.JobFlag, out io.Writer) error {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return err
	}
	l, err := openLake(ctx, dir, s, flag)
	if err != nil {
		return err
	}
	defer l.close()
	for i, step := range steps {
		fmt.Fprintf(out, "\n%d. %s\n", i+1, step.title)
		if err := land(dir, step.lands); err != nil {
			return err
		}
		rep, err := l.runner.Ingest(ctx)
		if err != nil {
			return err
		}
		if err := l.printReport(ctx, out, rep); err != nil {
			return err
		}
	}
	return l.farewell(ctx, out)
}
