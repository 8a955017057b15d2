package etl

import (
	"log/slog"
	"strings"
	"time"
)

// Config composes a [Runner]. Source, Control, Locker, Sink, Layout and Tables
// are required.
type Config struct {
	Source  Source
	Control ControlStore
	Locker  Locker
	Sink    Sink
	// Layout says which table a file belongs to.
	Layout Layout
	// Quarantine keeps the bad rows of tables that have a budget for them.
	Quarantine Quarantine
	// Format reads the files of tables that name none themselves.
	Format Format
	// Tables are the tables to keep. Files of others are set aside.
	Tables []Table

	// Dispatcher runs the loads of tables under flag G, and those that auto finds
	// too big for this process. Without one such tables wait.
	Dispatcher Dispatcher
	// JobPoll is how often a job is asked how it is; zero is 15 seconds.
	JobPoll time.Duration
	// JobTimeout is how long a job may take; zero is two hours.
	JobTimeout time.Duration
	// JobAttempts is how many jobs may end without their load, and without saying
	// that another would too, before the table pauses; zero is 3.
	JobAttempts int
	// LocalLimit is how long a load of a table under flag auto may take in this
	// process, by estimate, where no deadline says so; zero is one hour.
	LocalLimit time.Duration
	// AwaitJobs lets Drain wait for a job to end. Otherwise it returns with the
	// time to come back at, and the table waits.
	AwaitJobs bool

	// Parallel is how many tables drain side by side; zero is 4.
	Parallel int
	// MemoryBudget is the number of bytes that the changes of the loads of all
	// tables together may take; zero is 256 MiB. What is beyond it goes to
	// temporary files. The buffers of readers and of the sink are not counted.
	MemoryBudget int64
	// TempDir is the folder for temporary files; empty is os.TempDir(). They
	// hold keys, are readable by nobody else, and go with the load or with the
	// process.
	TempDir string
	// LeaseTTL is how long a table stays locked after its runner died; zero is
	// one minute.
	LeaseTTL time.Duration
	// Margin is how much of the time before a context's deadline is kept back: no
	// load is begun with less left, nor with less than twice the slowest load of
	// the same Drain; and a load of a table under flag auto that is at work then is
	// handed to the Dispatcher. Zero begins loads whatever the deadline.
	Margin time.Duration
	// MaxBegins is how often a load may be begun by processes that died or ran
	// out of time in it before the table pauses; zero is 20.
	MaxBegins int
	// Retry is how transient errors are met.
	Retry RetryPolicy
	// Observer is told what happens; Logger as well. Both may be left out. Log
	// lines carry table, load, file and run as they apply; a run is the fence of
	// the lease that a load is worked on under.
	Observer Observer
	Logger   *slog.Logger
	// Now is the clock; nil is time.Now.
	Now func() time.Time

	budget *budget // of MemoryBudget
}

// RetryPolicy says how often and how fast an attempt is repeated after a transient
// error. The pause doubles from Base to Max, each with full jitter.
type RetryPolicy struct {
	// Attempts is the number of attempts, the first one included; zero is 6.
	Attempts int
	// Base and Max bound the pause; zero is 100 ms and 20 s.
	Base, Max time.Duration
}

func (c Config) withDefaults() Config {
	if c.Parallel == 0 {
		c.Parallel = 4
	}
	if c.MemoryBudget == 0 {
		c.MemoryBudget = 256 << 20
	}
	c.budget = newBudget(c.MemoryBudget, c.Parallel)
	if c.JobPoll == 0 {
		c.JobPoll = 15 * time.Second
	}
	if c.JobTimeout == 0 {
		c.JobTimeout = 2 * time.Hour
	}
	if c.JobAttempts == 0 {
		c.JobAttempts = 3
	}
	if c.LocalLimit == 0 {
		c.LocalLimit = time.Hour
	}
	if c.LeaseTTL == 0 {
		c.LeaseTTL = time.Minute
	}
	if c.MaxBegins == 0 {
		c.MaxBegins = 20
	}
	if c.Retry.Attempts == 0 {
		c.Retry.Attempts = 6
	}
	if c.Retry.Base == 0 {
		c.Retry.Base = 100 * time.Millisecond
	}
	if c.Retry.Max == 0 {
		c.Retry.Max = 20 * time.Second
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	tables := make([]Table, len(c.Tables))
	for i, t := range c.Tables {
		if t.Format == nil {
			t.Format = c.Format
		}
		tables[i] = t.withDefaults()
	}
	c.Tables = tables
	return c
}

func (c Config) validate() error {
	p := problems{}
	for _, part := range []struct {
		name    string
		missing bool
	}{
		{"Source", c.Source == nil}, {"Control", c.Control == nil}, {"Locker", c.Locker == nil},
		{"Sink", c.Sink == nil}, {"Layout", c.Layout == nil},
	} {
		if part.missing {
			p.add("config: %s is missing", part.name)
		}
	}
	if len(c.Tables) == 0 {
		p.add("config: no tables")
	}
	if c.Parallel < 0 || c.MemoryBudget < 0 || c.LeaseTTL < 0 || c.Margin < 0 || c.JobPoll < 0 || c.JobTimeout < 0 || c.JobAttempts < 0 || c.LocalLimit < 0 || c.MaxBegins < 0 || c.Retry.Attempts < 0 || c.Retry.Base < 0 || c.Retry.Max < 0 {
		p.add("config: limits and times must not be negative")
	}
	if c.LeaseTTL > 0 && c.LeaseTTL < 10*time.Millisecond {
		p.add("config: a lease of %v cannot be renewed in time", c.LeaseTTL)
	}
	seen := map[string]string{}
	for _, t := range c.Tables {
		if err := t.Validate(); err != nil {
			p.errs = append(p.errs, err)
		}
		if t.Format == nil {
			p.add("table %s: no format, neither its own nor Config.Format", printable(t.Name))
		}
		if t.BadRows.tolerant() && c.Quarantine == nil {
			p.add("table %s: there is a budget for bad rows, but no Config.Quarantine", printable(t.Name))
		}
		fold := strings.ToLower(t.Name)
		if other, dup := seen[fold]; dup {
			p.add("tables %s and %s have the same name, case apart", printable(other), printable(t.Name))
		}
		seen[fold] = t.Name
	}
	return p.err()
}
