package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os/exec"
	"path/filepath"
)

// profileCommand runs works once under the profiler and prints the functions
// that take the most.
func profileCommand(ctx context.Context, args []string, out io.Writer) error {
	var f commonFlags
	fs := flag.NewFlagSet("profile", flag.ContinueOnError)
	f.register(fs)
	count := fs.Int("n", 20, "functions to print")
	c, only, err := f.parse(fs, args)
	if err != nil {
		return err
	}
	for _, w := range f.sizes.works() {
		if !only.MatchString(w.name) {
			continue
		}
		r, err := c.ready(ctx, w)
		if err != nil {
			return err
		}
		l := loadFlags{CPUProfile: filepath.Join(c.dir, "cpu.prof"), MemProfile: filepath.Join(c.dir, "allocs.prof")}
		u, _, err := c.tidemark(ctx, r, l)
		if err != nil {
			return err
		}
		fmt.Fprintf(out, "## %s: %s, CPU %s\n", w.name, seconds(u.WallMS), seconds(u.CPUMS))
		for _, p := range [][]string{{"-flat", l.CPUProfile}, {"-cum", l.CPUProfile}, {"-sample_index=alloc_objects", l.MemProfile}} {
			cmd := exec.CommandContext(ctx, "go", "tool", "pprof", "-top", fmt.Sprintf("-nodecount=%d", *count), p[0], c.self, p[1])
			text, err := cmd.Output()
			if err != nil {
				return fmt.Errorf("pprof: %w", err)
			}
			fmt.Fprintf(out, "%s\n", text)
		}
	}
	return nil
}
