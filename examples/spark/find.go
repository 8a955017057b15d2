package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
)

// spark is an installation of Spark. Python is empty where the system's own will do.
type spark struct {
	command, python, version string
}

// wanted is the version of Spark that the packages of the job are for.
const wanted = "4.1"

var errNoSpark = errors.New(`no Spark ` + wanted + ` was found: neither spark-submit in PATH or SPARK_HOME, nor a Python environment with pyspark. Either

  go run ./examples/spark -install        installs it into your cache folder (some 450 MB; needs Python 3.10 or later)
  pip install "pyspark[sql]==4.1.4"       into an environment of yours, with its bin folder in PATH

Both need Java 17 or later (java in PATH, or JAVA_HOME)`)

// findSpark looks for Spark: in PATH, in SPARK_HOME, and in the environments that
// -install and interop/setup.sh make.
func findSpark(ctx context.Context) (spark, error) {
	var candidates []spark
	if path, err := exec.LookPath("spark-submit"); err == nil {
		candidates = append(candidates, spark{command: path})
	}
	if home := os.Getenv("SPARK_HOME"); home != "" {
		candidates = append(candidates, spark{command: filepath.Join(home, "bin", "spark-submit")})
	}
	for _, venv := range environments() {
		candidates = append(candidates, spark{command: filepath.Join(venv, "bin", "spark-submit"), python: filepath.Join(venv, "bin", "python")})
	}
	err := errNoSpark
	for _, s := range candidates {
		if _, serr := os.Stat(s.command); serr != nil {
			continue
		}
		version, verr := versionOf(ctx, s)
		switch {
		case verr != nil:
			err = fmt.Errorf("%w\n\n%s does not run: %w", err, s.command, verr)
		case !strings.HasPrefix(version, wanted+"."):
			err = fmt.Errorf("%w\n\n%s is Spark %s", err, s.command, version)
		default:
			s.version = version
			return s, nil
		}
	}
	return spark{}, err
}

// environments are folders of Python environments that may have Spark.
func environments() []string {
	found := []string{}
	if cache, err := cacheFolder(); err == nil {
		found = append(found, cache)
	}
	for _, up := range []string{".", "..", filepath.Join("..", "..")} {
		if path, err := filepath.Abs(filepath.Join(up, "interop", ".cache", "venv")); err == nil {
			found = append(found, path)
		}
	}
	return found
}

func cacheFolder() (string, error) {
	cache, err := os.UserCacheDir()
	return filepath.Join(cache, "tidemark", "spark"), err
}

var versionLine = regexp.MustCompile(`version (\d+\.\d+\.\d+)`)

// versionOf asks for the version, for which Spark needs its Java.
func versionOf(ctx context.Context, s spark) (string, error) {
	cmd := exec.CommandContext(ctx, s.command, "--version")
	if s.python != "" {
		cmd.Env = append(os.Environ(), "PYSPARK_PYTHON="+s.python, "PYSPARK_DRIVER_PYTHON="+s.python)
	}
	out, err := cmd.CombinedOutput()
	if m := versionLine.FindSubmatch(out); m != nil {
		return string(m[1]), nil
	}
	if err == nil {
		err = errors.New("it does not say")
	}
	return "", fmt.Errorf("ask for its version: %w", err)
}

// installSpark makes a Python environment with Spark in the cache folder.
func installSpark(ctx context.Context, out io.Writer) (spark, error) {
	venv, err := cacheFolder()
	if err != nil {
		return spark{}, err
	}
	fmt.Fprintf(out, "Installing Spark into %s\n", venv)
	for _, args := range [][]string{
		{"python3", "-m", "venv", venv},
		{filepath.Join(venv, "bin", "pip"), "install", "--quiet", "--disable-pip-version-check", "pyspark[sql]==4.1.4"},
	} {
		cmd := exec.CommandContext(ctx, args[0], args[1:]...)
		cmd.Stdout, cmd.Stderr = out, out
		if err := cmd.Run(); err != nil {
			return spark{}, fmt.Errorf("install Spark: %s: %w", filepath.Base(args[0]), err)
		}
	}
	return findSpark(ctx)
}
