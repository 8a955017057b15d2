//go:build integration

package integration

import (
	"bytes"
	"context"
	"encoding/json"
	"encoding/xml"
	"io"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge"
	"github.com/aws/aws-sdk-go-v2/service/glue"
	gluetypes "github.com/aws/aws-sdk-go-v2/service/glue/types"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	lambdatypes "github.com/aws/aws-sdk-go-v2/service/lambda/types"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	s3types "github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	sqstypes "github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"github.com/stretchr/testify/require"

	"github.com/tidemark-data/etl/dispatch"
)

const deployFolder = "../examples/lambda/deploy/"

// account is an AWS account in moto.
type account struct {
	t   *testing.T
	url string
	cfg aws.Config
	s3  *s3.Client
}

func newAccount(t *testing.T) *account {
	a := &account{t: t, url: "http://" + startServer(t, "moto_server", "-H", "127.0.0.1", "-p", "{port}"), cfg: s3Config()}
	a.cfg.BaseEndpoint = &a.url
	a.s3 = s3.NewFromConfig(a.cfg, func(o *s3.Options) { o.UsePathStyle = true })
	return a
}

func (a *account) put(bucket, key string, content []byte) {
	require.NoError(a.t, putS3(a.t, a.s3, &bucket, key, content))
}

// stack makes a stack and returns its outputs.
func (a *account) stack(name, file string, parameters map[string]string) map[string]string {
	body, err := os.ReadFile(deployFolder + file)
	require.NoError(a.t, err)
	form := url.Values{"Action": {"CreateStack"}, "TemplateBody": {string(body)}, "Capabilities.member.1": {"CAPABILITY_IAM"}}
	n := 1
	for k, v := range parameters {
		at := "Parameters.member." + strconv.Itoa(n)
		form.Set(at+".ParameterKey", k)
		form.Set(at+".ParameterValue", v)
		n++
	}
	a.cloudformation(name, form, nil)
	var answer struct {
		Stacks []struct {
			Status  string `xml:"StackStatus"`
			Outputs []struct {
				Key   string `xml:"OutputKey"`
				Value string `xml:"OutputValue"`
			} `xml:"Outputs>member"`
		} `xml:"DescribeStacksResult>Stacks>member"`
	}
	a.cloudformation(name, url.Values{"Action": {"DescribeStacks"}}, &answer)
	require.Len(a.t, answer.Stacks, 1)
	require.Equal(a.t, "CREATE_COMPLETE", answer.Stacks[0].Status)
	outputs := map[string]string{}
	for _, o := range answer.Stacks[0].Outputs {
		outputs[o.Key] = o.Value
	}
	return outputs
}

// cloudformation calls the service without the SDK, which nothing else needs.
func (a *account) cloudformation(stack string, form url.Values, answer any) {
	form.Set("StackName", stack)
	form.Set("Version", "2010-05-15")
	req, err := http.NewRequestWithContext(a.t.Context(), http.MethodPost, a.url, bytes.NewBufferString(form.Encode()))
	require.NoError(a.t, err)
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	a.sign(req, "cloudformation")
	res, err := http.DefaultClient.Do(req)
	require.NoError(a.t, err)
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	require.NoError(a.t, err)
	require.Equal(a.t, http.StatusOK, res.StatusCode, string(text))
	if answer != nil {
		require.NoError(a.t, xml.Unmarshal(text, answer))
	}
}

// deploy makes both stacks with all options, and returns the outputs of both.
//
// Moto's CloudFormation knows no policies of buckets, queues and topics, no
// subscriptions, no alarms, no EventInvokeConfig and no Glue database; of a bucket
// it makes neither versioning nor notifications, of a function no architecture; and it keeps AWS::NoValue in lists
// as null, so that only stacks with all options can be made. Nothing in it asks
// the policies.
func (a *account) deploy() (data, function map[string]string) {
	bucket := newBucket(a.t, a.s3, "code", false)
	_, err := eventbridge.NewFromConfig(a.cfg).CreateEventBus(a.t.Context(), &eventbridge.CreateEventBusInput{Name: aws.String("notices")})
	require.NoError(a.t, err)
	config, err := os.ReadFile(deployFolder + "tidemark.yaml")
	require.NoError(a.t, err)
	a.put(*bucket, "tidemark-1.yaml", config)
	a.put(*bucket, "tidemark-1.zip", []byte("PK\x05\x06"+string(make([]byte, 18)))) // an empty one
	data = a.stack("data", "storage.yaml", map[string]string{"Database": "hr", "CreateKey": "true"})
	with := map[string]string{
		"CodeBucket": *bucket, "CodeKey": "tidemark-1.zip", "ConfigKey": "tidemark-1.yaml", "LandingPrefix": "dms/",
		"LandingKeyArn": data["KeyArn"], "DmsTasks": "arn:aws:dms:us-east-1:123456789012:task:A=hr.people", "GlueJobs": "compact,merge",
		"GlueJob": "tidemark", "EmrApplication": "00f1", "EmrRole": "job", "NoticeBus": "notices", "NoticeEmail": "lake@example.org", "StepFunctions": "true", "ReservedConcurrency": "20",
	}
	for k, v := range data {
		with[k] = v
	}
	return data, a.stack("function", "function.yaml", with)
}

// TestStacks makes the stacks, lands a file in the bucket that they make, takes
// its event from the queue that they make, and has the program of examples/lambda
// handle it, in the environment that they make.
func TestStacks(t *testing.T) {
	a := newAccount(t)
	data, out := a.deploy()
	queue := sqs.NewFromConfig(a.cfg)
	have, err := queue.GetQueueAttributes(t.Context(), &sqs.GetQueueAttributesInput{
		QueueUrl: aws.String(out["Queue"]), AttributeNames: []sqstypes.QueueAttributeName{sqstypes.QueueAttributeNameAll},
	})
	require.NoError(t, err)
	require.Equal(t, "5460", have.Attributes["VisibilityTimeout"])
	require.Equal(t, data["KeyArn"], have.Attributes["KmsMasterKeyId"])
	require.JSONEq(t, `{"deadLetterTargetArn":"arn:aws:sqs:us-east-1:123456789012:tidemark-dead-letters","maxReceiveCount":5}`, have.Attributes["RedrivePolicy"])

	functions := lambda.NewFromConfig(a.cfg)
	sources, err := functions.ListEventSourceMappings(t.Context(), &lambda.ListEventSourceMappingsInput{FunctionName: aws.String(out["Function"])})
	require.NoError(t, err)
	require.Len(t, sources.EventSourceMappings, 1)
	require.Equal(t, have.Attributes["QueueArn"], aws.ToString(sources.EventSourceMappings[0].EventSourceArn))
	require.Equal(t, []lambdatypes.FunctionResponseType{"ReportBatchItemFailures"}, sources.EventSourceMappings[0].FunctionResponseTypes)
	// Where there is a Docker, moto would run the function itself.
	_, err = functions.UpdateEventSourceMapping(t.Context(), &lambda.UpdateEventSourceMappingInput{
		UUID: sources.EventSourceMappings[0].UUID, Enabled: aws.Bool(false),
	})
	require.NoError(t, err)
	environment := a.environment(out["Function"])
	require.Equal(t, "1415MiB", environment["GOMEMLIMIT"])
	require.Equal(t, "arn:aws:glue:us-east-1:123456789012:job/tidemark", environment["TIDEMARK_GLUE_JOB"])
	require.Equal(t, "arn:aws:iam::123456789012:role/job", environment["TIDEMARK_EMR_ROLE"])
	delete(environment, "TIDEMARK_EMR_ROLE") // all options are set, of which these exclude the Glue job
	delete(environment, "TIDEMARK_EMR_APPLICATION")

	a.notify(data["LandingBucket"])
	f := startFunction(t, a.url, environment)
	a.put(data["LandingBucket"], "elsewhere/hr/people/20240220-110825122.csv", []byte("I,9,Zoe,,2024-02-20 11:08:25\n"))
	a.put(data["LandingBucket"], "dms/hr/people/20240220-110825123.csv", []byte("I,1,Ann,555,2024-02-20 11:08:25\nI,2,Bob,,2024-02-20 11:08:26\n"))
	batch := a.receive(queue, out["Queue"])
	require.Len(t, batch.Records, 1, "the other one is not in the folder")
	answer := f.invoke(batch)
	require.JSONEq(t, `{"batchItemFailures":[]}`, answer)

	a.put(data["LandingBucket"], "dms/hr/people/20240220-110825124.csv", []byte("U,1,Ann,555,2024-02-20 11:08:27\nI,none,Cy,,2024-02-20 11:08:26\n"))
	require.JSONEq(t, `{"batchItemFailures":[]}`, f.invoke(a.receive(queue, out["Queue"])), "what is in the ledger does not come again")
	require.Contains(t, f.verb("status"), `"rule"`, "the table is paused, with a diagnosis")
	require.NotContains(t, f.verb("skip"), `"error"`)
	woken := a.receive(queue, out["Queue"])
	require.Len(t, woken.Records, 1)
	require.Contains(t, woken.Records[0].Body, `"wake":"hr.people"`)
	require.JSONEq(t, `{"batchItemFailures":[]}`, f.invoke(woken))
	var status struct {
		Status []struct {
			Files map[string]int `json:"files"`
		} `json:"status"`
	}
	require.NoError(t, json.Unmarshal([]byte(f.verb("status")), &status))
	require.NotContains(t, f.log.String(), "notice not sent")
	require.Equal(t, map[string]int{"applied": 1, "skipped": 1}, status.Status[0].Files)
	a.flagG(data, f, queue, out["Queue"])
}

// flagG: a load under flag G becomes a run of the Glue job, whose manifest is where
// the policies let function and job have it.
func (a *account) flagG(data map[string]string, f *runningFunction, queue *sqs.Client, url string) {
	res, err := http.Post(a.url+"/moto-api/state-manager/set-transition", "application/json",
		strings.NewReader(`{"model_name":"glue::job_run","transition":{"progression":"manual","times":1000}}`)) // else it ends at once
	require.NoError(a.t, err)
	require.NoError(a.t, res.Body.Close())
	jobs := glue.NewFromConfig(a.cfg)
	_, err = jobs.CreateJob(a.t.Context(), &glue.CreateJobInput{
		Name: aws.String("tidemark"), Role: aws.String("job"), Command: &gluetypes.JobCommand{Name: aws.String("glueetl")},
	})
	require.NoError(a.t, err)
	require.NotContains(a.t, f.invoke(json.RawMessage(`{"tidemark":{"verb":"flag","table":"hr.people","flag":"G"}}`)), `"error"`)
	a.receive(queue, url)
	a.put(data["LandingBucket"], "dms/hr/people/20240220-110825125.csv", []byte("I,3,Cy,,2024-02-20 11:08:28\n"))
	require.JSONEq(a.t, `{"batchItemFailures":[]}`, f.invoke(a.receive(queue, url)))
	runs, err := jobs.GetJobRuns(a.t.Context(), &glue.GetJobRunsInput{JobName: aws.String("tidemark")})
	require.NoError(a.t, err)
	require.Len(a.t, runs.JobRuns, 1, f.log.String())
	args := runs.JobRuns[0].Arguments
	require.Regexp(a.t, "^s3://"+data["WarehouseBucket"]+"/tidemark-jobs/jobs/[^/]+/manifest.json$", args["--manifest"])
	manifest, err := a.s3.GetObject(a.t.Context(), &s3.GetObjectInput{
		Bucket: aws.String(data["WarehouseBucket"]), Key: aws.String(strings.TrimPrefix(args["--manifest"], "s3://"+data["WarehouseBucket"]+"/")),
	})
	require.NoError(a.t, err)
	defer manifest.Body.Close()
	var m dispatch.Manifest
	require.NoError(a.t, json.NewDecoder(manifest.Body).Decode(&m))
	require.Equal(a.t, "s3://"+data["LandingBucket"]+"/dms/hr/people/20240220-110825125.csv", m.Files[0].URI)
	require.Equal(a.t, "glue", m.Sink.Options["type"])
	woken := a.receive(queue, url)
	require.Empty(a.t, woken.Records, "the wake-up to look after the job is not due yet")
	require.Contains(a.t, f.verb("status"), runs.JobRuns[0].Arguments["--tidemark-job"])
}

// environment is that of a function, read without the SDK: where a number goes
// through a parameter that is text, moto leaves it text.
func (a *account) environment(function string) map[string]string {
	var conf struct {
		Environment struct{ Variables map[string]string }
	}
	req, err := http.NewRequestWithContext(a.t.Context(), http.MethodGet, a.url+"/2015-03-31/functions/"+function+"/configuration", nil)
	require.NoError(a.t, err)
	a.sign(req, "lambda")
	res, err := http.DefaultClient.Do(req)
	require.NoError(a.t, err)
	defer res.Body.Close()
	require.NoError(a.t, json.NewDecoder(res.Body).Decode(&conf))
	return conf.Environment.Variables
}

// sign says for which service a request is; moto verifies no signature.
func (a *account) sign(req *http.Request, service string) {
	req.Header.Set("Authorization", "AWS4-HMAC-SHA256 Credential=id/20240101/"+s3Region+"/"+service+"/aws4_request, SignedHeaders=host, Signature=none")
}

// notify does what moto leaves out of the bucket.
func (a *account) notify(bucket string) {
	_, err := a.s3.PutBucketNotificationConfiguration(a.t.Context(), &s3.PutBucketNotificationConfigurationInput{
		Bucket: &bucket, NotificationConfiguration: &s3types.NotificationConfiguration{EventBridgeConfiguration: &s3types.EventBridgeConfiguration{}},
	})
	require.NoError(a.t, err)
}

// receive takes what is in the queue, as the event source mapping does.
func (a *account) receive(client *sqs.Client, queue string) (batch events.SQSEvent) {
	for {
		out, err := client.ReceiveMessage(context.WithoutCancel(a.t.Context()), &sqs.ReceiveMessageInput{QueueUrl: &queue, MaxNumberOfMessages: 10})
		require.NoError(a.t, err)
		if len(out.Messages) == 0 {
			return batch
		}
		for _, m := range out.Messages {
			batch.Records = append(batch.Records, events.SQSMessage{
				MessageId: *m.MessageId, Body: *m.Body, EventSource: "aws:sqs", EventSourceARN: "arn:aws:sqs:us-east-1:123456789012:tidemark",
			})
			_, err = client.DeleteMessage(a.t.Context(), &sqs.DeleteMessageInput{QueueUrl: &queue, ReceiptHandle: m.ReceiptHandle})
			require.NoError(a.t, err)
		}
	}
}
