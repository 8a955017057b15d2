package config

import (
	"path/filepath"
	"strings"
	"time"

	"github.com/tidemark-data/etl"
	"github.com/tidemark-data/etl/dispatch/sparkdispatch"
)

// Job says how jobs of the dispatcher are attended.
type Job struct {
	Poll     time.Duration
	Timeout  time.Duration
	Attempts int
	// Await has the command wait for jobs to end.
	Await bool
	// LocalLimit is how long a load under flag auto may take in this process.
	LocalLimit time.Duration
}

// dispatcher reads what runs the loads of tables under flag G; nil without one.
// Paths are still those of the file.
func dispatcher(v value) *sparkdispatch.Config {
	if !v.given() {
		return nil
	}
	c := &sparkdispatch.Config{}
	o := v.object("a mapping such as kind: spark-submit")
	kind := ""
	k := o.need("kind")
	k.str(&kind)
	if kind != "" && kind != sparkdispatch.Engine {
		k.bad("%q is not spark-submit", kind)
	}
	o.get("command").str(&c.Command)
	o.get("master").str(&c.Master)
	o.get("python").str(&c.Python)
	o.get("folder").str(&c.Folder)
	o.get("packages").strings(&c.Packages)
	o.get("jars").strings(&c.Jars)
	c.Conf = properties(o.get("conf"))
	o.get("limit").int(&c.Limit)
	o.get("grace").duration(&c.Grace)
	keep := o.get("keep").object("a mapping with age and last")
	keep.get("age").duration(&c.KeepFor)
	keep.get("last").int(&c.KeepLast)
	keep.done()
	o.done()
	return c
}

func job(v value) Job {
	j := Job{Await: true}
	o := v.object("a mapping with poll, timeout, await, attempts and local_limit")
	o.get("poll").duration(&j.Poll)
	o.get("timeout").duration(&j.Timeout)
	if await := o.get("await"); await.given() {
		await.bool(&j.Await)
	}
	o.get("attempts").int(&j.Attempts)
	o.get("local_limit").duration(&j.LocalLimit)
	o.done()
	return j
}

// sparkPaths makes the paths of a dispatcher relative to the folder of the file.
// Programs without a slash are looked for in PATH.
func sparkPaths(v value, folder, state string, c *sparkdispatch.Config) {
	if c == nil {
		return
	}
	local := func(path string) string {
		if path == "" || filepath.IsAbs(path) || strings.Contains(path, "://") {
			return path
		}
		return filepath.Join(folder, filepath.FromSlash(path))
	}
	if c.Folder = local(c.Folder); strings.Contains(c.Folder, "://") {
		v.object("").get("folder").bad("is a URL; jobs are kept in a local folder")
	}
	if c.Folder == "" {
		c.Folder = filepath.Join(filepath.Dir(state), "jobs")
	}
	for _, program := range []*string{&c.Command, &c.Python} {
		if strings.Contains(*program, "/") {
			*program = local(*program)
		}
	}
	for i := range c.Jars {
		c.Jars[i] = local(c.Jars[i])
	}
}

// dispatch puts the dispatcher into a config.
func (c *Config) dispatch(cfg *etl.Config) error {
	cfg.JobPoll, cfg.JobTimeout, cfg.JobAttempts = c.Job.Poll, c.Job.Timeout, c.Job.Attempts
	cfg.AwaitJobs, cfg.LocalLimit = c.Job.Await, c.Job.LocalLimit
	if c.Spark == nil {
		return nil
	}
	spark, err := sparkdispatch.New(*c.Spark)
	if err != nil {
		return err
	}
	cfg.Dispatcher = spark
	return nil
}
