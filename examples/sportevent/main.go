// Command sportevent sells tickets: three dimension tables (persons, venues,
// events), one fact table (tickets), and a table of sales in which each ticket
// stands together with its event, venue and person:
//
//	go run ./examples/sportevent
//
// E-mail addresses are tokenized and phone numbers masked before they are written
// anywhere; the sales table takes over what the persons table holds. The key of the
// tokens is in SPORTEVENT_TOKEN_KEY (at least 16 bytes), else one is made for the run.
//
// # How sales follow
//
// A lookup enriches a row when it is written, so a dimension that changes would leave
// older rows as they are. Here the sales table is fed by a source over the other tables
// (follow.go): once any of them has a new load, the source shows a new full load, which
// is all tickets, looked up in the dimensions as they are now. The table takes it as a
// difference, so that only rows that differ are written. Which state of the tables was
// taken is the identity of the file, so that nothing is taken twice and a run that was
// broken off is made up for by the next. What it costs is to read all tickets and
// dimensions after each change; who cannot afford that lands the tickets that a changed
// dimension touches as changes instead, and has to see to it that none is forgotten.
package main

import (
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"log"
	"os"
	"os/signal"

	"github.com/tidemark-data/etl"
	"github.com/tidemark-data/etl/transform"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := run(ctx, os.Stdout)
	stop()
	if err != nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context, out io.Writer) error {
	dir, err := os.MkdirTemp("", "sportevent-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	return play(ctx, dir, tokenKeys(), func(s step, w *world, reports []etl.Report) error {
		fmt.Fprintf(out, "\n%s\n", s.title)
		printLoads(out, reports)
		return printTable(ctx, out, w.lake, sales)
	})
}

// tokenKeys are the keys of tokens, by their place.
func tokenKeys() transform.KeyProvider {
	const variable = "SPORTEVENT_TOKEN_KEY"
	if os.Getenv(variable) != "" {
		return transform.EnvKey(variable, "k1")
	}
	return transform.NewStaticKeys("made for this run", "k1", map[string][]byte{"k1": []byte(rand.Text())})
}

// play goes through the steps; after each of them done is called.
func play(ctx context.Context, dir string, keys transform.KeyProvider, done func(step, *world, []etl.Report) error) error {
	w, err := open(ctx, dir, keys)
	if err != nil {
		return err
	}
	defer w.lake.Close()
	for i, s := range steps {
		w.land(i, s)
		reports, err := w.ingest(ctx)
		if err != nil {
			return fmt.Errorf("%s: %w", s.title, err)
		}
		if err := done(s, w, reports); err != nil {
			return err
		}
	}
	return nil
}
