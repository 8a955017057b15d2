// Package sparkdispatch hands loads to Spark through spark-submit: in a local
// session (local[*]), or to a cluster's master with the driver on this machine.
//
// A job is a process of its own, in a session of its own, that outlives the one
// that submitted it. What is known of it lies in a folder, so any process of this
// machine that opens the same folder finds it, asks how it is, and can end it:
//
//	jobs/<id>/manifest.json  what to do
//	jobs/<id>/result.json    what was done
//	jobs/<id>/log.txt        what spark-submit printed; may quote data
//	jobs/<id>/lock           held by the processes of the job as long as one lives
//	jobs/<id>/pid, exit      of the process that leads the group, and its exit code
//
// The lock, not the process ID, tells whether a job lives: it is a flock that the
// job inherits, which the system gives back when its last process ends, so that a
// process ID that was given out again is never taken for a job. Keep the folder on
// a local disk. It needs a Unix system and /bin/sh.
package sparkdispatch

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"slices"
	"strings"
	"time"
)

// Config says how to run jobs. Only Folder is required.
type Config struct {
	// Folder is where the documents of jobs are kept. It is made where it is not
	// there, readable by its owner alone.
	Folder string
	// Command is spark-submit, as a path or a name in PATH; empty is "spark-submit".
	Command string
	// Master is Spark's; empty is "local[*]". The driver runs on this machine
	// whatever the master.
	Master string
	// Conf are settings of Spark. They stand on the command line, where other
	// users of the machine see them: secrets belong into Env.
	Conf map[string]string
	// Packages are Maven coordinates, Jars paths of files, which Spark needs for
	// Iceberg and the catalog, as sparkjob.IcebergPackage. Leave them empty where
	// the installation of Spark has them.
	Packages []string
	Jars     []string
	// Python is the interpreter of driver and workers; empty is Spark's choice.
	Python string
	// Env are variables "NAME=value" on top of this process's environment.
	Env []string

	// Limit is how many jobs may run at a time in this folder; 0 is 1.
	Limit int
	// Grace is how long a job that is cancelled has before it is killed; 0 is 10
	// seconds.
	Grace time.Duration
	// KeepFor is how long the documents of ended jobs are kept, 0 is 7 days;
	// KeepLast is how many are kept whatever their age, 0 is 20.
	KeepFor  time.Duration
	KeepLast int
}

func (c Config) withDefaults() Config {
	if c.Command == "" {
		c.Command = "spark-submit"
	}
	if c.Master == "" {
		c.Master = "local[*]"
	}
	if c.Limit == 0 {
		c.Limit = 1
	}
	if c.Grace == 0 {
		c.Grace = 10 * time.Second
	}
	if c.KeepFor == 0 {
		c.KeepFor = 7 * 24 * time.Hour
	}
	if c.KeepLast == 0 {
		c.KeepLast = 20
	}
	return c
}

func (c Config) validate() error {
	var errs []error
	if c.Folder == "" {
		errs = append(errs, errors.New("folder is missing"))
	}
	if c.Limit < 0 || c.Grace < 0 || c.KeepFor < 0 || c.KeepLast < 0 {
		errs = append(errs, errors.New("limits and times must not be negative"))
	}
	for name := range c.Conf {
		if name == "" || strings.ContainsAny(name, "= \n") {
			errs = append(errs, fmt.Errorf("conf: %q is not the name of a setting", name))
		}
	}
	for _, list := range [][]string{c.Packages, c.Jars} {
		for _, item := range list {
			if item == "" || strings.ContainsAny(item, ",\n") {
				errs = append(errs, fmt.Errorf("packages and jars: %q is not one of them", item))
			}
		}
	}
	for _, v := range c.Env {
		if name, _, ok := strings.Cut(v, "="); !ok || name == "" {
			errs = append(errs, errors.New("env: not of the form NAME=value"))
		}
	}
	return errors.Join(errs...)
}

// arguments are those of spark-submit for a job.
func (c Config) arguments(jobID string, f files) []string {
	args := []string{"--master", c.Master, "--deploy-mode", "client", "--name", "tidemark-" + jobID}
	for _, name := range slices.Sorted(maps.Keys(c.Conf)) {
		args = append(args, "--conf", name+"="+c.Conf[name])
	}
	if len(c.Packages) > 0 {
		args = append(args, "--packages", strings.Join(c.Packages, ","))
	}
	if len(c.Jars) > 0 {
		args = append(args, "--jars", strings.Join(c.Jars, ","))
	}
	return append(args, "--py-files", f.archive, f.launcher, f.docs.Manifest, f.docs.Result)
}

func (c Config) environment() []string {
	env := os.Environ()
	if c.Python != "" {
		env = append(env, "PYSPARK_PYTHON="+c.Python, "PYSPARK_DRIVER_PYTHON="+c.Python)
	}
	return append(env, c.Env...)
}

// command is the path of spark-submit.
func (c Config) command() (string, error) {
	path, err := exec.LookPath(c.Command)
	if err != nil {
		return "", fmt.Errorf("spark-submit is not to be found: %w", err)
	}
	return path, nil
}
