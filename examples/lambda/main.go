// Command lambda is Tidemark as an AWS Lambda function. It takes S3
// notifications, EventBridge events, SQS batches, SNS notifications, schedules
// and the verbs of operators. Build it for the runtime provided.al2023 on arm64:
//
//	GOOS=linux GOARCH=arm64 CGO_ENABLED=0 go build -tags lambda.norpc -ldflags='-s -w' -o bootstrap ./examples/lambda
//
// Tables and layout come from the YAML file of the tidemark command. Where they
// are comes from the environment:
//
//	TIDEMARK_CONFIG           the YAML file: beside the program, or s3://bucket/key; default tidemark.yaml
//	TIDEMARK_LANDING          s3://bucket/folder where files land
//	TIDEMARK_CONTROL_TABLE    DynamoDB table of ledger and locks
//	TIDEMARK_WAREHOUSE        s3://bucket/prefix of the Iceberg tables, in the Glue catalog
//	TIDEMARK_WAKE_QUEUE       URL of an SQS queue that the function is subscribed to; default: it invokes itself
//	TIDEMARK_NOTICE_TOPIC     ARN of an SNS topic that hears of paused tables
//	TIDEMARK_NOTICE_BUS       EventBridge bus that hears of them, and of loads
//	TIDEMARK_DMS_TASKS        full loads that DMS tasks carry: task-arn=table,table;task-arn=table
//	TIDEMARK_JOBS             s3://bucket/prefix of manifests and results of jobs, for the next four
//	TIDEMARK_GLUE_JOB         name or ARN of the Glue job that takes the loads of tables under flag G
//	TIDEMARK_EMR_APPLICATION  ID of the EMR Serverless application that takes them instead
//	TIDEMARK_EMR_ROLE         ARN of the role of its runs
//	TIDEMARK_EMR_ENVIRONMENT  s3://bucket/key of a packed Python environment for them
//	TIDEMARK_METRICS          CloudWatch namespace of metrics, written to the log in embedded metric format
//	TIDEMARK_GRACE            how long before its deadline the function stops working; default 10s
//	TIDEMARK_MARGIN           how much time there must be for a load to begin; default 1m
//
// Without TIDEMARK_LANDING the stores are the folders and SQLite files that the
// YAML file names, as they are for the command.
package main

import (
	"context"
	"fmt"
	"log/slog"
	"os"

	"github.com/aws/aws-lambda-go/lambda"
)

func main() {
	logger := slog.New(slog.NewJSONHandler(os.Stderr, nil))
	handler, err := open(context.Background(), os.Getenv, logger)
	if err != nil {
		fmt.Fprintln(os.Stderr, "tidemark:", err)
		os.Exit(1)
	}
	lambda.Start(handler.Handle)
}
