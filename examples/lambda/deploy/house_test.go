package deploy_test

import (
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/johannesboyne/gofakes3"
	"github.com/johannesboyne/gofakes3/backend/s3mem"
	"github.com/stretchr/testify/require"

	"github.com/tidemark-data/etl"
	"github.com/tidemark-data/etl/awsetl"
	"github.com/tidemark-data/etl/control/dynamocontrol"
	"github.com/tidemark-data/etl/etltest/awstest"
	"github.com/tidemark-data/etl/format"
	"github.com/tidemark-data/etl/sink/icebergsink/gluesink"
)

const (
	warehouse = "lake"
	prefix    = "warehouse/"
)

// house is the function with all its adapters, over services on this machine.
type house struct {
	t       *testing.T
	landing *awstest.S3
	glue    *awstest.Glue
	sns     *awstest.SNS
	db      *awstest.DynamoDB
	endpoints
	handler *awsetl.Handler
	lake    *lake
}

type endpoints struct{ objects, catalog string }

// lake is the warehouse bucket. It keeps what it was asked.
type lake struct {
	next http.Handler
	mu   sync.Mutex
	seen []asked
	deny func(asked) bool
}

type asked struct {
	method, bucket, key string
	query               map[string][]string
	header              http.Header
}

func (l *lake) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	bucket, key, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
	a := asked{r.Method, bucket, key, r.URL.Query(), r.Header.Clone()}
	l.mu.Lock()
	l.seen = append(l.seen, a)
	deny := l.deny != nil && l.deny(a)
	l.mu.Unlock()
	if deny {
		_, _ = io.Copy(io.Discard, r.Body) // else the client sees a broken connection
		w.WriteHeader(http.StatusForbidden)
		_, _ = io.WriteString(w, `<Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>`)
		return
	}
	l.next.ServeHTTP(w, r)
}

func (l *lake) refuse(when func(asked) bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.deny = when
}

func (a asked) has(parameter string) bool { _, ok := a.query[parameter]; return ok }

// action returns the IAM action of a request to S3 (Amazon S3 User Guide,
// "Required permissions for Amazon S3 API operations").
func (a asked) action(t *testing.T) string {
	for name := range a.header {
		require.NotContains(t, []string{"X-Amz-Acl", "X-Amz-Tagging", "X-Amz-Copy-Source"}, name, "needs further actions")
	}
	switch {
	case a.key == "" && a.method == http.MethodGet && !a.has("uploads") && !a.has("versions"):
		return "s3:ListBucket"
	case a.key == "" && a.method == http.MethodPost && a.has("delete"):
		return "s3:DeleteObject"
	case a.key == "":
	case a.has("uploadId") && a.method == http.MethodDelete:
		return "s3:AbortMultipartUpload"
	case a.has("acl"), a.has("tagging"), a.has("versionId"), a.has("attributes"):
	case a.method == http.MethodGet && !a.has("uploadId"), a.method == http.MethodHead:
		return "s3:GetObject"
	case a.method == http.MethodPut, a.method == http.MethodPost && (a.has("uploads") || a.has("uploadId")):
		return "s3:PutObject"
	case a.method == http.MethodDelete:
		return "s3:DeleteObject"
	}
	require.Fail(t, "a request that the test does not know", "%s %s?%v", a.method, a.key, a.query)
	return ""
}

func newHouse(t *testing.T) *house {
	mem := s3mem.New()
	require.NoError(t, mem.CreateBucket(warehouse))
	h := &house{
		t: t, landing: awstest.NewS3(awstest.S3Options{}, "raw"), glue: awstest.NewGlue(), sns: &awstest.SNS{}, db: &awstest.DynamoDB{},
		lake: &lake{next: gofakes3.New(mem).Server()},
	}
	objects, glue := httptest.NewServer(h.lake), httptest.NewServer(h.glue)
	t.Cleanup(objects.Close)
	t.Cleanup(glue.Close)
	h.endpoints = endpoints{objects.URL, glue.URL}
	h.coldStart("tidemark")
	return h
}

// coldStart starts the function, with a control table of that name, which is
// made if it is not there.
func (h *house) coldStart(control string) {
	require.NoError(h.t, dynamocontrol.CreateTable(h.t.Context(), h.db, control))
	handler, err := awsetl.New(h.t.Context(), aws.Config{
		Region: "eu-west-1", BaseEndpoint: aws.String(h.catalog),
		Credentials: credentials.NewStaticCredentialsProvider("id", "secret", ""),
	}, awsetl.Options{
		Landing: "s3://raw/dms/", ControlTable: control, Warehouse: "s3://" + warehouse + "/" + strings.TrimSuffix(prefix, "/"),
		Tables: []etl.Table{people()}, WakeQueue: "https://sqs/tidemark", NoticeTopic: "arn:topic", NoticeBus: "lake",
		Parts: awsetl.Parts{Quiet: -1}, Glue: gluesink.Config{S3Endpoint: h.objects, PathStyle: true},
		Clients: awsetl.Clients{S3: h.landing, DynamoDB: h.db, SQS: &awstest.SQS{}, SNS: h.sns, EventBridge: &awstest.EventBridge{}, SFN: &awstest.SFN{}},
	})
	require.NoError(h.t, err)
	h.t.Cleanup(func() { require.NoError(h.t, handler.Close()) })
	h.handler = handler
}

func people() etl.Table {
	return etl.Table{
		Name: "hr.people", Key: []string{"id"}, OrderBy: []string{"seq"},
		Columns: etl.Columns{{Name: "id", Type: etl.Long}, {Name: "name", Type: etl.String}, {Name: "seq", Type: etl.Long}},
		Op:      etl.OpColumn{Column: "op"},
		Format:  format.CSV{FullColumns: []string{"id", "name", "seq"}, ChangeColumns: []string{"op", "id", "name", "seq"}},
		Maintenance: etl.Maintenance{
			SmallFiles: 2, DeleteFiles: 2, DeleteRatio: 0.01, Manifests: 2, SnapshotAge: time.Nanosecond, KeepSnapshots: 1,
		},
	}
}

func (h *house) land(name, content string) string {
	key := "dms/hr/people/" + name
	_, err := h.landing.PutObject(h.t.Context(), &s3.PutObjectInput{Bucket: aws.String("raw"), Key: &key, Body: strings.NewReader(content)})
	require.NoError(h.t, err)
	return fmt.Sprintf(`{"detail-type":"Object Created","source":"aws.s3","detail":{"bucket":{"name":"raw"},"object":{"key":%q}}}`, key)
}

func (h *house) handle(event string) awsetl.Answer {
	out, err := h.handler.Handle(h.t.Context(), json.RawMessage(event))
	require.NoError(h.t, err)
	a := out.(awsetl.Answer)
	require.Empty(h.t, a.Error)
	return a
}

// loaded handles an event that brings loads.
func (h *house) loaded(event string) {
	h.t.Helper()
	a := h.handle(event)
	require.Len(h.t, a.Tables, 1)
	require.Empty(h.t, a.Tables[0].Error)
	require.NotEmpty(h.t, a.Tables[0].Loads)
}

const (
	schedule = `{"detail-type":"Scheduled Event","source":"aws.events","detail":{}}`
	verb     = `{"tidemark":{"verb":%q,"table":"hr.people"}}`
)

// live takes a table through its life: it is made, filled by a load whose file
// goes up in parts, of which one is refused, so that the table is paused and
// resumed; it is changed, and maintained.
func (h *house) live() {
	h.lake.refuse(func(a asked) bool { return a.has("partNumber") })
	a := h.handle(h.land("LOAD00000001.csv", noise(500_000)))
	require.NotEmpty(h.t, a.Tables[0].Error, "a part was refused")
	require.NotEmpty(h.t, h.sns.Published())
	h.lake.refuse(nil)
	h.handle(fmt.Sprintf(verb, "retry"))
	h.loaded(schedule)
	for i := range 4 {
		h.loaded(h.land(fmt.Sprintf("20240220-11082500%d.csv", i), fmt.Sprintf("U,1,Ann,%d\nI,%d,Bob,1\nD,%d,,9\n", i+2, 900_000+i, i+5)))
	}
	m := h.handle(fmt.Sprintf(verb, "maintain")).Maintenance
	require.NotEmpty(h.t, m.Commits)
	require.Less(h.t, m.After.Snapshots, m.Before.Snapshots)
}

// noise returns rows that compress to half: a file of 250,000 goes up in parts.
func noise(rows int) string {
	r := rand.New(rand.NewPCG(1, 2))
	var b strings.Builder
	for i := range rows {
		fmt.Fprintf(&b, "%d,%016x%016x%016x%016x%016x%016x%016x%016x%016x%016x,1\n", i, r.Uint64(), r.Uint64(), r.Uint64(), r.Uint64(), r.Uint64(), r.Uint64(), r.Uint64(), r.Uint64(), r.Uint64(), r.Uint64())
	}
	return b.String()
}
