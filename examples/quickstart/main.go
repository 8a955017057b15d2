// Command quickstart shows Tidemark at work on crime incidents of Washington DC.
// It lands a full load and six files of changes step by step, ingests after each
// step, and prints what became of the rows:
//
//	go run ./examples/quickstart -dir lake
//
// A second run in the same folder finds everything done. See data/SOURCE.md for
// where the data comes from.
package main

import (
	"context"
	"embed"
	"flag"
	"fmt"
	"io"
	"log"
	"os"
	"os/signal"
	"path/filepath"

	"github.com/tidemark-data/etl"
)

//go:embed data/mpd tidemark.yaml
var files embed.FS

func main() {
	dir := flag.String("dir", "lake", "the `folder` to make")
	land := flag.Bool("land", false, "only land the files, for the tidemark command")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	var err error
	if *land {
		err = landAll(*dir, os.Stdout)
	} else {
		_, err = run(ctx, *dir, os.Stdout)
	}
	stop()
	if err != nil {
		log.Fatal(err)
	}
}

// run goes through the steps and returns what each of them did.
func run(ctx context.Context, dir string, out io.Writer) ([]etl.Report, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, err
	}
	l, err := openLake(ctx, dir)
	if err != nil {
		return nil, err
	}
	defer l.Close()

	var reports []etl.Report
	for i, s := range steps {
		fmt.Fprintf(out, "\n%d. %s\n", i+1, s.title)
		rep, err := l.step(ctx, s)
		if err != nil {
			return nil, err
		}
		if err := printReport(out, rep); err != nil {
			return nil, err
		}
		reports = append(reports, rep)
	}
	return reports, l.farewell(ctx, out)
}

// landAll lands the files of all steps.
func landAll(dir string, out io.Writer) error {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return err
	}
	for _, s := range steps {
		for _, f := range s.lands {
			if _, err := land(dir, f); err != nil {
				return err
			}
		}
	}
	if err := writeConfig(dir); err != nil {
		return err
	}
	fmt.Fprintf(out, "Files have landed in %s. Now run:\n  tidemark -c %s ingest\n",
		filepath.Join(dir, "landing"), filepath.Join(dir, "tidemark.yaml"))
	return nil
}
