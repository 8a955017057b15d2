package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsconfig "github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/tidemark-data/etl"
	"github.com/tidemark-data/etl/awsetl"
	"github.com/tidemark-data/etl/dispatch/emrdispatch"
	"github.com/tidemark-data/etl/dispatch/gluedispatch"
	"github.com/tidemark-data/etl/internal/config"
	"github.com/tidemark-data/etl/observer"
)

// open composes the function from its environment.
func open(ctx context.Context, env func(string) string, logger *slog.Logger) (*awsetl.Handler, error) {
	set, err := readSettings(env)
	if err != nil {
		return nil, err
	}
	set.logger = logger
	name := cmp.Or(env("TIDEMARK_CONFIG"), "tidemark.yaml")
	local := env("TIDEMARK_LANDING") == ""
	if local && !strings.HasPrefix(name, "s3://") {
		return openLocal(ctx, name, set)
	}
	cloud, err := awsconfig.LoadDefaultConfig(ctx)
	if err != nil {
		return nil, err
	}
	conf, err := load(ctx, name, s3.NewFromConfig(cloud))
	if err != nil {
		return nil, err
	}
	if local {
		return nil, errors.New("TIDEMARK_LANDING is missing")
	}
	return openAWS(ctx, cloud, conf, env, set)
}

func openAWS(ctx context.Context, cloud aws.Config, conf *config.Config, env func(string) string, set settings) (*awsetl.Handler, error) {
	opts := awsetl.Options{
		Landing: env("TIDEMARK_LANDING"), ControlTable: env("TIDEMARK_CONTROL_TABLE"), Warehouse: env("TIDEMARK_WAREHOUSE"),
		Tables: conf.Tables, Layout: conf.Layout,
		WakeQueue: env("TIDEMARK_WAKE_QUEUE"), WakeFunction: env("AWS_LAMBDA_FUNCTION_NAME"),
		NoticeTopic: env("TIDEMARK_NOTICE_TOPIC"), NoticeBus: env("TIDEMARK_NOTICE_BUS"), NoticeLoads: true,
		Jobs:  jobs(env),
		Parts: set.parts,
		Config: etl.Config{
			JobPoll: conf.Job.Poll, JobTimeout: conf.Job.Timeout, JobAttempts: conf.Job.Attempts, LocalLimit: conf.Job.LocalLimit,
			Parallel: conf.Parallel, MemoryBudget: conf.MemoryBudget, LeaseTTL: conf.Lease,
			Retry: conf.Retry, Margin: set.margin, Observer: set.observer, Logger: set.logger,
		},
	}
	return awsetl.New(ctx, cloud, opts)
}

// jobs says which engine takes the loads of tables under flag G.
func jobs(env func(string) string) awsetl.JobOptions {
	return awsetl.JobOptions{
		Location: env("TIDEMARK_JOBS"),
		Glue:     gluedispatch.Config{Job: env("TIDEMARK_GLUE_JOB")},
		EMR: emrdispatch.Config{
			Application: env("TIDEMARK_EMR_APPLICATION"), Role: env("TIDEMARK_EMR_ROLE"), Environment: env("TIDEMARK_EMR_ENVIRONMENT"),
		},
	}
}

// openLocal works on folders and SQLite files: for tests, and for volumes.
func openLocal(ctx context.Context, name string, set settings) (*awsetl.Handler, error) {
	conf, err := config.Load(name)
	if err != nil {
		return nil, err
	}
	cfg, _, err := conf.Open(ctx, set.logger) // open as long as the process lives
	if err != nil {
		return nil, err
	}
	cfg.Margin, cfg.Observer = set.margin, set.observer
	return awsetl.NewHandler(cfg, set.parts)
}

// load reads the YAML file, from beside the program or from S3.
func load(ctx context.Context, name string, client *s3.Client) (*config.Config, error) {
	rest, remote := strings.CutPrefix(name, "s3://")
	if !remote {
		return config.Load(name)
	}
	bucket, key, _ := strings.Cut(rest, "/")
	out, err := client.GetObject(ctx, &s3.GetObjectInput{Bucket: &bucket, Key: &key})
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", name, err)
	}
	defer out.Body.Close()
	data, err := io.ReadAll(io.LimitReader(out.Body, config.MaxBytes+1))
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", name, err)
	}
	return config.Parse(path.Base(key), data)
}

// settings are what the environment says besides names of stores.
type settings struct {
	parts    awsetl.Parts
	margin   time.Duration
	observer etl.Observer
	logger   *slog.Logger
}

func readSettings(env func(string) string) (s settings, err error) {
	duration := func(name string, to *time.Duration) {
		if text := env(name); text != "" {
			d, perr := time.ParseDuration(text)
			if perr != nil || d <= 0 {
				err = errors.Join(err, fmt.Errorf("%s is not a duration such as 30s", name))
			}
			*to = d
		}
	}
	duration("TIDEMARK_GRACE", &s.parts.Grace)
	duration("TIDEMARK_MARGIN", &s.margin)
	tasks := map[string][]string{}
	for entry := range strings.SplitSeq(env("TIDEMARK_DMS_TASKS"), ";") {
		if entry = strings.TrimSpace(entry); entry == "" {
			continue
		}
		arn, tables, ok := strings.Cut(entry, "=")
		if !ok {
			err = errors.Join(err, errors.New("TIDEMARK_DMS_TASKS is not of the form task-arn=table,table;task-arn=table"))
		}
		tasks[arn] = append(tasks[arn], strings.Split(tables, ",")...)
	}
	s.parts.TaskTables = awsetl.TaskMap(tasks)
	if namespace := env("TIDEMARK_METRICS"); namespace != "" {
		s.observer = observer.EMF{Writer: os.Stdout, Namespace: namespace}.Observer()
	}
	return s, err
}
