package awsetl

import (
	"encoding/json"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/johannesboyne/gofakes3"
	"github.com/johannesboyne/gofakes3/backend/s3mem"
	"github.com/stretchr/testify/require"

	"github.com/tidemark-data/etl"
	"github.com/tidemark-data/etl/control/dynamocontrol"
	"github.com/tidemark-data/etl/etltest/awstest"
	"github.com/tidemark-data/etl/sink/icebergsink/gluesink"
)

// cloud is a small AWS on this machine.
type cloud struct {
	s3   *awstest.S3
	sqs  *awstest.SQS
	sns  *awstest.SNS
	cfg  aws.Config
	opts Options
}

func newCloud(t *testing.T) *cloud {
	lake := s3mem.New()
	require.NoError(t, lake.CreateBucket("lake"))
	objects := httptest.NewServer(gofakes3.New(lake).Server())
	t.Cleanup(objects.Close)
	glue := httptest.NewServer(awstest.NewGlue())
	t.Cleanup(glue.Close)
	db := &awstest.DynamoDB{}
	require.NoError(t, dynamocontrol.CreateTable(t.Context(), db, "tidemark"))
	c := &cloud{s3: awstest.NewS3(awstest.S3Options{}, "raw"), sqs: &awstest.SQS{}, sns: &awstest.SNS{}}
	c.cfg = aws.Config{
		Region: "eu-west-1", BaseEndpoint: aws.String(glue.URL),
		Credentials: credentials.NewStaticCredentialsProvider("id", "secret", ""),
	}
	c.opts = Options{
		Landing: "s3://raw/in", ControlTable: "tidemark", Warehouse: "s3://lake/warehouse",
		Tables:    []etl.Table{table("hr.people")},
		WakeQueue: queueURL, NoticeTopic: topicARN, NoticeBus: "default",
		Parts:   Parts{Quiet: -1},
		Glue:    gluesink.Config{S3Endpoint: objects.URL, PathStyle: true},
		Clients: Clients{S3: c.s3, DynamoDB: db, SQS: c.sqs, SNS: c.sns, EventBridge: &awstest.EventBridge{}, SFN: &awstest.SFN{}},
	}
	return c
}

func (c *cloud) land(t *testing.T, key, content string) string {
	_, err := c.s3.PutObject(t.Context(), &s3.PutObjectInput{Bucket: aws.String("raw"), Key: &key, Body: strings.NewReader(content)})
	require.NoError(t, err)
	return created(key)
}

func (c *cloud) handle(t *testing.T, doc string) Answer {
	h, err := New(t.Context(), c.cfg, c.opts) // a cold start each time
	require.NoError(t, err)
	defer h.Close()
	out, err := h.Handle(t.Context(), json.RawMessage(doc))
	require.NoError(t, err)
	return out.(Answer)
}

func TestNewComposesAWS(t *testing.T) {
	c := newCloud(t)
	start := time.Now()
	a := c.handle(t, c.land(t, "in/hr/people/LOAD00000001.csv", "1,Ann,1\n2,Bob,1\n"))
	require.Empty(t, a.Tables[0].Error)
	require.EqualValues(t, 2, a.Tables[0].Loads[0].Counts.Inserted)
	a = c.handle(t, c.land(t, "in/hr/people/20240220-110825123.csv", "U,1,Anne,2\nD,2,,3\n"))
	require.EqualValues(t, 1, a.Tables[0].Loads[0].Counts.RowsAfter)
	a = c.handle(t, c.land(t, "out/hr/people/20240220-110825124.csv", "U,1,Anne,2\n"))
	require.Zero(t, a.Registered, "outside the landing folder")

	c.land(t, "in/hr/people/20240220-110826000.csv", "I,3,Cy,4\n") // its event is lost
	a = c.handle(t, schedule)
	require.Equal(t, 3, a.Listed)
	require.Equal(t, 1, a.Registered, "the listing names the files as the events did")
	require.EqualValues(t, 2, a.Tables[0].Loads[0].Counts.RowsAfter)

	c.handle(t, c.land(t, "in/hr/people/20240220-110827000.csv", "I,x,Cy,4\n"))
	require.Contains(t, c.sns.Published()[0].Message, "column id")
	a = c.handle(t, verb("skip", people))
	require.Empty(t, a.Error)
	require.Len(t, c.sqs.Messages(queueURL), 1)
	a = c.handle(t, verb("status", people))
	require.Equal(t, map[etl.FileStatus]int{etl.Applied: 3, etl.Skipped: 1}, a.Status[0].Files)
	require.Less(t, time.Since(start), 10*time.Second)
}

func TestNewNamesAllThatIsMissing(t *testing.T) {
	_, err := New(t.Context(), aws.Config{Region: "eu-west-1"}, Options{})
	for _, want := range []string{"landing", "dynamocontrol", "dynamolock", "warehouse"} {
		require.ErrorContains(t, err, want)
	}
}
