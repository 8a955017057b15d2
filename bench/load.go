package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"runtime/pprof"
	"syscall"
	"time"

	"github.com/tidemark-data/etl"
	"github.com/tidemark-data/etl/bench/gen"
	"github.com/tidemark-data/etl/control/sqlitecontrol"
	"github.com/tidemark-data/etl/format"
	"github.com/tidemark-data/etl/lock/sqlitelock"
	"github.com/tidemark-data/etl/sink/icebergsink"
	"github.com/tidemark-data/etl/source"
)

// loadFlags are those of the load command, which is Tidemark's measured process.
type loadFlags struct {
	Lake, Data, Mode       string
	Made                   bool
	FileBytes, Budget      int64
	CPUProfile, MemProfile string
}

// loadReport is what it prints.
type loadReport struct {
	// The work is all but the start of the process and the profiler.
	WorkMS    float64    `json:"work_ms"`
	WorkCPUMS float64    `json:"work_cpu_ms"`
	Loads     int        `json:"loads"`
	Counts    etl.Counts `json:"counts"`
	Mallocs   uint64     `json:"mallocs"`
	Written   int64      `json:"bytes_written"`
}

func (l loadFlags) args() []string {
	args := []string{"load", "-lake", l.Lake, "-data", l.Data, "-mode", l.Mode,
		fmt.Sprintf("-made=%v", l.Made), fmt.Sprintf("-file-bytes=%d", l.FileBytes), fmt.Sprintf("-budget=%d", l.Budget)}
	if l.CPUProfile != "" {
		args = append(args, "-cpuprofile", l.CPUProfile)
	}
	if l.MemProfile != "" {
		args = append(args, "-memprofile", l.MemProfile)
	}
	return args
}

func loadCommand(ctx context.Context, args []string, out io.Writer) error {
	var l loadFlags
	fs := flag.NewFlagSet("load", flag.ContinueOnError)
	fs.StringVar(&l.Lake, "lake", "", "folder of the lake")
	fs.StringVar(&l.Data, "data", "orders", "data set")
	fs.StringVar(&l.Mode, "mode", "", "tidemark.write-mode of a new table")
	fs.BoolVar(&l.Made, "made", false, "landed files are specs of rows to make")
	fs.Int64Var(&l.FileBytes, "file-bytes", 0, "target size of the data files of a new table")
	fs.Int64Var(&l.Budget, "budget", 0, "memory budget of the keys")
	fs.StringVar(&l.CPUProfile, "cpuprofile", "", "file for the CPU profile")
	fs.StringVar(&l.MemProfile, "memprofile", "", "file for the allocation profile")
	if err := fs.Parse(args); err != nil {
		return err
	}
	if l.CPUProfile != "" {
		f, err := os.Create(l.CPUProfile)
		if err != nil {
			return err
		}
		defer f.Close()
		if err := pprof.StartCPUProfile(f); err != nil {
			return err
		}
		defer pprof.StopCPUProfile()
	}
	rep, err := l.ingest(ctx)
	if err != nil {
		return err
	}
	if l.MemProfile != "" {
		f, err := os.Create(l.MemProfile)
		if err != nil {
			return err
		}
		defer f.Close()
		if err := pprof.Lookup("allocs").WriteTo(f, 0); err != nil {
			return err
		}
	}
	return json.NewEncoder(out).Encode(rep)
}

func (l loadFlags) ingest(ctx context.Context) (rep loadReport, err error) {
	defer rep.measure()()
	d, err := datasetNamed(l.Data)
	if err != nil {
		return rep, err
	}
	d.table.Properties = map[string]string{}
	if l.FileBytes > 0 {
		d.table.Properties["write.target-file-size-bytes"] = fmt.Sprint(l.FileBytes)
	}
	if l.Mode != "" {
		d.table.Properties[modeProperty] = l.Mode
	}
	var f etl.Format = d.format
	if l.Made {
		f = gen.Made{}
	}
	lake, err := icebergsink.Open(ctx, icebergsink.Config{Warehouse: filepath.Join(l.Lake, "warehouse")})
	if err != nil {
		return rep, err
	}
	defer func() { err = errors.Join(err, lake.Close()) }()
	control, err := sqlitecontrol.Open(filepath.Join(l.Lake, "control.db"))
	if err != nil {
		return rep, err
	}
	defer func() { err = errors.Join(err, control.Close()) }()
	runner, err := etl.New(etl.Config{
		Source: source.Dir(filepath.Join(l.Lake, "landing")), Control: control, Locker: sqlitelock.New(control.DB()), Sink: lake,
		Layout: format.DMS{}, Format: f, Tables: []etl.Table{d.table}, MemoryBudget: l.Budget,
	})
	if err != nil {
		return rep, err
	}
	report, err := runner.Ingest(ctx)
	if err != nil {
		return rep, err
	}
	for _, a := range report.Tables[0].Loads {
		rep.Loads++
		rep.Counts.Add(a.Receipt.Counts)
		rep.Counts.RowsAfter = a.Receipt.Counts.RowsAfter
		rep.Written += a.Receipt.BytesWritten
	}
	if rep.Loads == 0 {
		return rep, fmt.Errorf("nothing was loaded: %s", report.Tables[0].Reason)
	}
	return rep, nil
}

// measure returns a function that notes what was used since.
func (rep *loadReport) measure() func() {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	cpu, begun := cpuTime(), time.Now()
	return func() {
		rep.WorkMS, rep.WorkCPUMS = ms(time.Since(begun)), ms(cpuTime()-cpu)
		runtime.ReadMemStats(&after)
		rep.Mallocs = after.Mallocs - before.Mallocs
	}
}

// cpuTime is the user and system time of this process.
func cpuTime() time.Duration {
	var ru syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &ru); err != nil {
		return 0
	}
	return time.Duration(ru.Utime.Nano() + ru.Stime.Nano())
}

// modeProperty chooses between merge-on-read and copy-on-write.
const modeProperty = "tidemark.write-mode"

func genCommand(ctx context.Context, args []string, out io.Writer) error {
	var s gen.Spec
	fs := flag.NewFlagSet("gen", flag.ContinueOnError)
	fs.Uint64Var(&s.Seed, "seed", 1, "seed")
	fs.Int64Var(&s.Base, "base", 1_000_000, "rows of the table")
	changes := fs.Int64("changes", 0, "changes to it; 0 writes the table itself")
	deletes := fs.Uint64("deletes", 2, "per cent of changes to the table's rows that are deletes")
	fs.BoolVar(&s.Scattered, "scattered", false, "a full load whose keys come in no order")
	file := fs.String("o", "", "file")
	if err := fs.Parse(args); err != nil {
		return err
	}
	if *changes > 0 {
		s = gen.ChangesOf(s.Seed, s.Base, *changes, *deletes)
	}
	f, err := os.Create(*file)
	if err != nil {
		return err
	}
	if err := errors.Join(gen.WriteCSV(ctx, f, s), f.Close()); err != nil {
		return err
	}
	return json.NewEncoder(out).Encode(s)
}
