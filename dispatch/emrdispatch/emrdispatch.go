// Package emrdispatch hands loads to Spark on Amazon EMR Serverless, as job runs of
// an application that exists, of release emr-7.0.0 or later and type Spark.
//
// The images of EMR Serverless have Spark and Iceberg's runtime, but not all that
// the job needs of Python (pyarrow, Python 3.10 or later): give the application an
// image that has it, or name a packed environment in [Config].
package emrdispatch

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/emrserverless"
	"github.com/aws/aws-sdk-go-v2/service/emrserverless/types"

	"github.com/tidemark-data/etl"
	"github.com/tidemark-data/etl/dispatch"
	"github.com/tidemark-data/etl/dispatch/internal/awsjob"
)

// Engine is the name of this engine in an [etl.JobRef].
const Engine = "emr-serverless"

// Client is what of the client of aws-sdk-go-v2/service/emrserverless a
// [Dispatcher] needs.
type Client interface {
	StartJobRun(context.Context, *emrserverless.StartJobRunInput, ...func(*emrserverless.Options)) (*emrserverless.StartJobRunOutput, error)
	GetJobRun(context.Context, *emrserverless.GetJobRunInput, ...func(*emrserverless.Options)) (*emrserverless.GetJobRunOutput, error)
	ListJobRuns(context.Context, *emrserverless.ListJobRunsInput, ...func(*emrserverless.Options)) (*emrserverless.ListJobRunsOutput, error)
	CancelJobRun(context.Context, *emrserverless.CancelJobRunInput, ...func(*emrserverless.Options)) (*emrserverless.CancelJobRunOutput, error)
}

// IcebergJar is where the images of EMR keep Iceberg's runtime (Amazon EMR
// Serverless User Guide, "Using Apache Iceberg").
const IcebergJar = "/usr/share/aws/iceberg/lib/iceberg-spark3-runtime.jar"

// Config configures a [Dispatcher]. Client, Store, Application and Role are required.
type Config struct {
	Client Client
	// Store has manifests, code and results, where the role reads and writes them.
	Store dispatch.Store
	// Application is the ID of the application.
	Application string
	// Role is the ARN of the role that runs assume. It reads the store and the
	// landed files, and writes results, tables and their catalog. Who submits
	// needs iam:PassRole on it.
	Role string
	// Timeout is how long a run takes at most where the [etl.Job] does not say;
	// zero is the service's default of twelve hours.
	Timeout time.Duration
	// Environment is the URI of a Python environment packed by venv-pack, with
	// pyarrow, as "s3://bucket/environment.tar.gz"; empty where the application's
	// image has it.
	Environment string
	// Jars are the URIs or paths of Iceberg's runtime and what else is needed,
	// separated by commas; empty is [IcebergJar].
	Jars string
	// SparkSubmit are further parameters, as "--conf spark.executor.memory=8g". They
	// come last. The service logs them: no secrets.
	SparkSubmit string
	// Logs is where the service leaves the logs of runs, "s3://bucket/prefix/";
	// empty is the service's own storage.
	Logs string
}

// Dispatcher is an [etl.Dispatcher] on EMR Serverless. It is safe for concurrent use.
type Dispatcher struct {
	cfg  Config
	code awsjob.Code
}

var (
	_ etl.Dispatcher = (*Dispatcher)(nil)
	_ Client         = (*emrserverless.Client)(nil)
)

var (
	applicationID = regexp.MustCompile(`^[0-9a-z]{1,64}$`)
	roleARN       = regexp.MustCompile(`^arn:aws[a-zA-Z0-9-]*:iam::[0-9]{12}:role/\S+$`)
)

// New returns a dispatcher. It asks nothing of AWS.
func New(cfg Config) (*Dispatcher, error) {
	var problems []error
	problem := func(bad bool, text string) {
		if bad {
			problems = append(problems, errors.New("emrdispatch: "+text))
		}
	}
	problem(cfg.Client == nil, "no client")
	problem(cfg.Store == nil, "no store")
	problem(!applicationID.MatchString(cfg.Application), "the application is not an ID of EMR Serverless")
	problem(!roleARN.MatchString(cfg.Role), "the role is not the ARN of a role")
	problem(cfg.Timeout < 0, "the timeout must not be negative")
	problem(strings.ContainsAny(cfg.Environment+cfg.Jars, " \t\n\"'"), "URIs have no spaces and quotes")
	return &Dispatcher{cfg: cfg}, errors.Join(problems...)
}

// Submit implements [etl.Dispatcher]. The job's ID is the client token: a second
// submission of the same job is answered with the run of the first.
func (d *Dispatcher) Submit(ctx context.Context, job etl.Job) (etl.JobRef, error) {
	docs, err := dispatch.PutManifest(ctx, d.cfg.Store, job)
	if err != nil {
		return etl.JobRef{}, fmt.Errorf("submit to EMR Serverless: %w", err)
	}
	script, archive, err := d.code.Put(ctx, d.cfg.Store)
	if err != nil {
		return etl.JobRef{}, fmt.Errorf("submit to EMR Serverless: %w", err)
	}
	in := &emrserverless.StartJobRunInput{
		ApplicationId: &d.cfg.Application, ClientToken: &job.ID, ExecutionRoleArn: &d.cfg.Role, Name: &job.ID,
		ExecutionTimeoutMinutes: d.minutes(job.Timeout),
		JobDriver: &types.JobDriverMemberSparkSubmit{Value: types.SparkSubmit{
			EntryPoint: &script, EntryPointArguments: []string{docs.Manifest, docs.Result},
			SparkSubmitParameters: aws.String(d.parameters(archive)),
		}},
	}
	if d.cfg.Logs != "" {
		in.ConfigurationOverrides = &types.ConfigurationOverrides{MonitoringConfiguration: &types.MonitoringConfiguration{
			S3MonitoringConfiguration: &types.S3MonitoringConfiguration{LogUri: &d.cfg.Logs},
		}}
	}
	out, err := d.cfg.Client.StartJobRun(ctx, in)
	if awsjob.CodeOf(err) == "ConflictException" {
		return d.conflict(ctx, job, err)
	}
	if err != nil {
		return etl.JobRef{}, awsjob.Failed("start a job run on EMR Serverless", err, true)
	}
	return ref(aws.ToString(out.JobRunId), job.ID, aws.ToString(out.Arn), docs.Result), nil
}

// conflict answers a submission that meets one of the same token with other
// settings, or an application that is about to stop or start.
func (d *Dispatcher) conflict(ctx context.Context, job etl.Job, cause error) (etl.JobRef, error) {
	if found, ok, err := d.Find(ctx, job); err == nil && ok {
		return found, nil
	}
	err := awsjob.Failed("start a job run on EMR Serverless", cause, true)
	return etl.JobRef{}, etl.WithOutcome(etl.Retry, err)
}

func ref(run, jobID, arn, result string) etl.JobRef {
	return etl.JobRef{Engine: Engine, ID: run, JobID: jobID, ARN: arn, Result: result}
}

// parameters are those of spark-submit.
func (d *Dispatcher) parameters(archive string) string {
	jars := d.cfg.Jars
	if jars == "" {
		jars = IcebergJar
	}
	p := []string{"--py-files " + archive, "--conf spark.jars=" + jars}
	if d.cfg.Environment != "" {
		const python = "./environment/bin/python"
		p = append(p, "--conf spark.archives="+d.cfg.Environment+"#environment",
			"--conf spark.emr-serverless.driverEnv.PYSPARK_DRIVER_PYTHON="+python,
			"--conf spark.emr-serverless.driverEnv.PYSPARK_PYTHON="+python,
			"--conf spark.executorEnv.PYSPARK_PYTHON="+python)
	}
	if d.cfg.SparkSubmit != "" {
		p = append(p, d.cfg.SparkSubmit)
	}
	return strings.Join(p, " ")
}

// Limits of a run's timeout in minutes: the service takes no less than five, and
// zero would be none at all.
const (
	minTimeout = 5
	maxTimeout = 1_000_000
)

func (d *Dispatcher) minutes(timeout time.Duration) *int64 {
	if timeout <= 0 {
		timeout = d.cfg.Timeout
	}
	if timeout <= 0 {
		return nil
	}
	up := (timeout + time.Minute - 1) / time.Minute
	return aws.Int64(int64(min(max(up, minTimeout), maxTimeout)))
}
