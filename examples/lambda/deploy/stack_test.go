package deploy_test

import (
	"context"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/stretchr/testify/require"

	"github.com/tidemark-data/etl/control/dynamocontrol"
	"github.com/tidemark-data/etl/etltest/awstest"
)

// made keeps what a table is made with.
type made struct {
	*awstest.DynamoDB
	input *dynamodb.CreateTableInput
}

func (m *made) CreateTable(ctx context.Context, in *dynamodb.CreateTableInput, o ...func(*dynamodb.Options)) (*dynamodb.CreateTableOutput, error) {
	m.input = in
	return m.DynamoDB.CreateTable(ctx, in, o...)
}

// TestControlTable: the template's table is the one that dynamocontrol makes.
func TestControlTable(t *testing.T) {
	m := &made{DynamoDB: &awstest.DynamoDB{}}
	require.NoError(t, dynamocontrol.CreateTable(t.Context(), m, "tidemark",
		dynamocontrol.WithPointInTimeRecovery(), dynamocontrol.WithDeletionProtection()))
	in := m.input
	attributes := []any{}
	for _, a := range in.AttributeDefinitions {
		attributes = append(attributes, map[string]any{"AttributeName": *a.AttributeName, "AttributeType": string(a.AttributeType)})
	}
	require.Len(t, in.GlobalSecondaryIndexes, 1)
	require.Empty(t, in.LocalSecondaryIndexes)
	index := in.GlobalSecondaryIndexes[0]
	want := map[string]any{
		"TableName": "${ControlTable}", "BillingMode": string(in.BillingMode), "AttributeDefinitions": attributes,
		"KeySchema": []any{keyPart(*in.KeySchema[0].AttributeName, "HASH"), keyPart(*in.KeySchema[1].AttributeName, "RANGE")},
		"GlobalSecondaryIndexes": []any{map[string]any{
			"IndexName":  *index.IndexName,
			"KeySchema":  []any{keyPart(*index.KeySchema[0].AttributeName, "HASH"), keyPart(*index.KeySchema[1].AttributeName, "RANGE")},
			"Projection": map[string]any{"ProjectionType": string(index.Projection.ProjectionType), "NonKeyAttributes": []any{index.Projection.NonKeyAttributes[0]}},
		}},
		"SSESpecification":                 map[string]any{"SSEEnabled": aws.ToBool(in.SSESpecification.Enabled), "SSEType": string(in.SSESpecification.SSEType)},
		"PointInTimeRecoverySpecification": map[string]any{"PointInTimeRecoveryEnabled": m.PointInTimeRecovery("tidemark")},
		"DeletionProtectionEnabled":        "${DeletionProtection}",
	}
	p := readTemplate(t, "storage.yaml")
	require.Equal(t, map[string]map[string]any{"Control": want}, p.resources("AWS::DynamoDB::Table", none))
	require.Equal(t, "true", p.defaultOf("DeletionProtection"))
}

func keyPart(name, kind string) map[string]any {
	return map[string]any{"AttributeName": name, "KeyType": kind}
}

// TestStorageStays: nothing that holds data goes with a stack, and all of it is
// encrypted, closed to the public and to connections without TLS.
func TestStorageStays(t *testing.T) {
	p := readTemplate(t, "storage.yaml")
	for name, r := range p.section("Resources") {
		r := r.(map[string]any)
		if r["Type"] != "AWS::S3::BucketPolicy" {
			require.Equal(t, []any{"Retain", "Retain"}, []any{r["DeletionPolicy"], r["UpdateReplacePolicy"]}, name)
		}
	}
	denied := map[string]bool{}
	for _, policy := range p.resources("AWS::S3::BucketPolicy", all) {
		requireTLS(t, policy)
		denied[policy["Bucket"].(string)] = true
	}
	for _, on := range []func(string) bool{all, none} {
		for name, bucket := range p.resources("AWS::S3::Bucket", on) {
			require.True(t, denied["${"+name+"}"], name)
			for _, block := range []string{"BlockPublicAcls", "BlockPublicPolicy", "IgnorePublicAcls", "RestrictPublicBuckets"} {
				require.Equal(t, true, bucket["PublicAccessBlockConfiguration"].(map[string]any)[block], name)
			}
			rule := bucket["BucketEncryption"].(map[string]any)["ServerSideEncryptionConfiguration"].([]any)[0].(map[string]any)
			algorithm := rule["ServerSideEncryptionByDefault"].(map[string]any)["SSEAlgorithm"]
			require.Equal(t, map[bool]any{true: "aws:kms", false: "AES256"}[on("")], algorithm)
			text := bucket["LifecycleConfiguration"].(map[string]any)["Rules"]
			require.Contains(t, texts(flatten(text)), "AbortIncompleteMultipartUpload", name)
		}
	}
}

// flatten returns the keys of all mappings in a list.
func flatten(v any) []any {
	var keys []any
	for _, m := range v.([]any) {
		for k := range m.(map[string]any) {
			keys = append(keys, k)
		}
	}
	return keys
}

func requireTLS(t *testing.T, policy map[string]any) {
	for _, s := range statements(policy) {
		if s["Effect"] == "Deny" {
			require.Equal(t, "*", s["Principal"])
			require.Equal(t, map[string]any{"Bool": map[string]any{"aws:SecureTransport": "false"}}, s["Condition"])
			return
		}
	}
	require.Fail(t, "connections without TLS are not denied")
}

// TestQueues: what SQS and Lambda ask of each other.
func TestQueues(t *testing.T) {
	p := readTemplate(t, "function.yaml")
	for _, kind := range []string{"AWS::SQS::QueuePolicy", "AWS::SNS::TopicPolicy"} {
		for _, policy := range p.resources(kind, all) {
			requireTLS(t, policy)
		}
	}
	require.Len(t, p.resources("AWS::SQS::QueuePolicy", all), len(p.resources("AWS::SQS::Queue", all)))
	window := number(t, p.section("Parameters")["BatchWindow"].(map[string]any)["MaxValue"])
	timeouts := p.section("Parameters")["Timeout"].(map[string]any)["AllowedValues"].([]any)
	mapping := p.section("Mappings")["Timeouts"].(map[string]any)
	require.Len(t, mapping, len(timeouts))
	for _, timeout := range timeouts {
		seconds := number(t, timeout)
		visibility := number(t, mapping[strconv.Itoa(seconds)].(map[string]any)["Visibility"])
		require.GreaterOrEqual(t, visibility, 6*seconds+window)
		require.LessOrEqual(t, visibility, 12*60*60, "the most that SQS takes")
	}
	sources := p.resources("AWS::Lambda::EventSourceMapping", all)
	require.Equal(t, []any{"ReportBatchItemFailures"}, sources["Mapping"]["FunctionResponseTypes"])
	require.Equal(t, "${Queue.Arn}", sources["Mapping"]["EventSourceArn"])
	for _, name := range []string{"Queue", "DeadLetters"} {
		require.Contains(t, p.resources("AWS::SQS::Queue", all)[name], "KmsMasterKeyId")
		require.Equal(t, true, p.resources("AWS::SQS::Queue", none)[name]["SqsManagedSseEnabled"])
	}
}

func number(t *testing.T, v any) int {
	switch v := v.(type) {
	case uint64:
		return int(v)
	case int64:
		return int(v)
	case string:
		n, err := strconv.Atoi(v)
		require.NoError(t, err)
		return n
	}
	require.Fail(t, "not a number", "%v", v)
	return 0
}

// TestMemoryLimit: Go collects before the function runs out of memory.
func TestMemoryLimit(t *testing.T) {
	p := readTemplate(t, "function.yaml")
	mapping := p.section("Mappings")["Memory"].(map[string]any)
	sizes := p.section("Parameters")["MemorySize"].(map[string]any)["AllowedValues"].([]any)
	require.Len(t, mapping, len(sizes))
	for _, size := range sizes {
		limit := mapping[strconv.Itoa(number(t, size))].(map[string]any)["GoLimit"].(string)
		mib, err := strconv.Atoi(strings.TrimSuffix(limit, "MiB"))
		require.NoError(t, err)
		require.InDelta(t, 0.8, float64(mib)/float64(number(t, size)), 0.01)
	}
}

func environment(t *testing.T) map[string]any {
	functions := readTemplate(t, "function.yaml").resources("AWS::Lambda::Function", all)
	require.Len(t, functions, 1)
	return functions["Function"]["Environment"].(map[string]any)["Variables"].(map[string]any)
}

// TestEnvironment: the function gets the variables that it reads, and no others.
func TestEnvironment(t *testing.T) {
	reads := map[string]bool{"GOMEMLIMIT": true}
	for _, name := range []string{"../main.go", "../open.go"} {
		code, err := os.ReadFile(name)
		require.NoError(t, err)
		for _, v := range regexp.MustCompile(`TIDEMARK_[A-Z_]*[A-Z]`).FindAllString(string(code), -1) {
			reads[v] = true
		}
	}
	var names []string
	for v := range environment(t) {
		names = append(names, v)
	}
	var want []string
	for v := range reads {
		want = append(want, v)
	}
	require.ElementsMatch(t, want, names)
}

// TestMetricsOfAlarms: alarms watch metrics that the function writes.
func TestMetricsOfAlarms(t *testing.T) {
	code, err := os.ReadFile("../../../observer/emf.go")
	require.NoError(t, err)
	found := 0
	for name, a := range readTemplate(t, "function.yaml").resources("AWS::CloudWatch::Alarm", all) {
		require.Equal(t, []any{"${Topic}"}, a["AlarmActions"], name)
		metrics, ok := a["Metrics"].([]any)
		if !ok {
			continue
		}
		query := metrics[0].(map[string]any)["Expression"].(string)
		m := regexp.MustCompile(`^SELECT (?:MAX|SUM)\((\w+)\) FROM SCHEMA\("\$\{MetricsNamespace\}", "Table"\)$`).FindStringSubmatch(query)
		require.NotNil(t, m, query)
		require.Contains(t, string(code), `"`+m[1]+`"`)
		found++
	}
	require.Equal(t, 2, found)
}

// TestOutputsAreParameters: what storage.yaml puts out goes into function.yaml
// under the same names.
func TestOutputsAreParameters(t *testing.T) {
	parameters := readTemplate(t, "function.yaml").section("Parameters")
	for name := range readTemplate(t, "storage.yaml").section("Outputs") {
		require.Contains(t, parameters, name)
	}
}
