package deploy_test

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tidemark-data/etl/awsetl"
	"github.com/tidemark-data/etl/dispatch/emrdispatch"
	"github.com/tidemark-data/etl/dispatch/gluedispatch"
	"github.com/tidemark-data/etl/dispatch/s3store"
	"github.com/tidemark-data/etl/etltest/awstest"
)

const documents = "arn:${AWS::Partition}:s3:::${WarehouseBucket}/tidemark-jobs/"

// emrOnly is how the conditions of spark.yaml come out on EMR Serverless.
func emrOnly(condition string) bool { return condition != "OnGlue" }

// TestJobsPolicyIsForTheJobAlone: the function can start, see and stop runs of its
// own job, and pass its role to no other service.
func TestJobsPolicyIsForTheJobAlone(t *testing.T) {
	policy := readTemplate(t, "function.yaml").resources("AWS::IAM::ManagedPolicy", all)["JobsPolicy"]
	const application = "arn:${AWS::Partition}:emr-serverless:${AWS::Region}:${AWS::AccountId}:/applications/${EmrApplication}"
	want := map[string]string{
		"s3:GetObject": documents + "*", "s3:PutObject": documents + "*", "s3:DeleteObject": documents + "*",
		"emr-serverless:StartJobRun": application, "emr-serverless:ListJobRuns": application,
		"emr-serverless:GetJobRun": application + "/jobruns/*", "emr-serverless:CancelJobRun": application + "/jobruns/*",
		"iam:PassRole": "arn:${AWS::Partition}:iam::${AWS::AccountId}:role/${EmrRole}",
	}
	for action := range callsOf[gluedispatch.Client](t, "glue") {
		want[action] = "arn:${AWS::Partition}:glue:${AWS::Region}:${AWS::AccountId}:job/${GlueJob}"
	}
	got := map[string]string{}
	for _, s := range statements(policy) {
		for _, action := range texts(s["Action"]) {
			require.Len(t, texts(s["Resource"]), 1)
			got[action] = texts(s["Resource"])[0]
			if action == "iam:PassRole" {
				require.Equal(t, map[string]any{"StringEquals": map[string]any{"iam:PassedToService": "emr-serverless.amazonaws.com"}}, s["Condition"])
			}
		}
	}
	require.Equal(t, want, got)
}

// TestJobRole: a run reads what has landed, writes tables and its result, and
// reaches neither ledger, locks, queue nor other buckets. Its calls are those of
// Iceberg's GlueCatalog and of the readers and writers of S3 ("Iceberg AWS
// Integrations"), which no test here can count.
func TestJobRole(t *testing.T) {
	p := readTemplate(t, "spark.yaml")
	want := map[string]set{
		"LandingPolicy":   setOf("s3:ListBucket", "s3:GetObject", "s3:GetObjectVersion"),
		"WarehousePolicy": setOf("s3:ListBucket", "s3:GetObject", "s3:PutObject", "s3:DeleteObject", "s3:AbortMultipartUpload"),
		// As the function, but for listing databases: the job makes database and table where they are not there.
		"CatalogPolicy":   setOf("glue:GetDatabase", "glue:CreateDatabase", "glue:GetTables", "glue:GetTable", "glue:CreateTable", "glue:UpdateTable"),
		"DocumentsPolicy": setOf("s3:GetObject", "s3:PutObject"),
		"LogPolicy":       setOf("logs:CreateLogGroup", "logs:CreateLogStream", "logs:PutLogEvents"),
		"KeyPolicy":       setOf("kms:Decrypt", "kms:GenerateDataKey"),
	}
	policies := p.resources("AWS::IAM::ManagedPolicy", all)
	require.Equal(t, slices.Sorted(maps.Keys(want)), slices.Sorted(maps.Keys(policies)))
	var attached []string
	for name, policy := range policies {
		attached = append(attached, "${"+name+"}")
		got := set{}
		for _, s := range statements(policy) {
			require.Equal(t, "Allow", s["Effect"])
			maps.Copy(got, setOf(texts(s["Action"])...))
			for _, resource := range texts(s["Resource"]) {
				require.NotContains(t, strings.TrimSuffix(resource, "*"), "*", name)
				require.Contains(t, resource, "${", name)
				if slices.Contains(texts(s["Action"]), "s3:PutObject") && name == "DocumentsPolicy" {
					require.Equal(t, documents+"jobs/*", resource, "a run cannot change the code of others")
				}
			}
		}
		require.Equal(t, want[name].sorted(), got.sorted(), name)
	}
	roles := p.resources("AWS::IAM::Role", all)
	require.Len(t, roles, 1)
	require.NotContains(t, roles["Role"], "Policies")
	require.ElementsMatch(t, attached, texts(roles["Role"]["ManagedPolicyArns"]))
	for service, on := range map[string]func(string) bool{"glue.amazonaws.com": all, "emr-serverless.amazonaws.com": emrOnly} {
		trust := p.resources("AWS::IAM::Role", on)["Role"]["AssumeRolePolicyDocument"].(map[string]any)["Statement"].([]any)
		require.Len(t, trust, 1)
		require.Equal(t, map[string]any{"Service": service}, trust[0].(map[string]any)["Principal"])
	}
}

// TestGlueJob: the definition is what gluedispatch asks for.
func TestGlueJob(t *testing.T) {
	job := readTemplate(t, "spark.yaml").resources("AWS::Glue::Job", all)["GlueJob"]
	require.EqualValues(t, 0, number(t, job["MaxRetries"]), "the function repeats what is worth it")
	require.Equal(t, "${Role.Arn}", job["Role"])
	command := job["Command"].(map[string]any)
	require.Equal(t, "glueetl", command["Name"])
	require.True(t, strings.HasPrefix(command["ScriptLocation"].(string), "s3://${WarehouseBucket}/tidemark-jobs/"))
	arguments := job["DefaultArguments"].(map[string]any)
	require.Equal(t, "iceberg", arguments["--datalake-formats"])
	require.Equal(t, "job-bookmark-disable", arguments["--job-bookmark-option"], "the ledger knows what was read")
}

// TestJobsLocation: function, role and lifecycle speak of the same folder.
func TestJobsLocation(t *testing.T) {
	location := environment(t)["TIDEMARK_JOBS"].(string)
	require.Equal(t, "s3://${WarehouseBucket}/tidemark-jobs", location)
	store, err := s3store.New(awstest.NewS3(awstest.S3Options{}), s3store.Config{Location: strings.ReplaceAll(location, "${WarehouseBucket}", "lake")})
	require.NoError(t, err)
	uri, err := store.URI("jobs/job-1/result.json")
	require.NoError(t, err)
	bucket := readTemplate(t, "storage.yaml").resources("AWS::S3::Bucket", all)["Warehouse"]
	expired := false
	for _, rule := range bucket["LifecycleConfiguration"].(map[string]any)["Rules"].([]any) {
		if prefix, ok := rule.(map[string]any)["Prefix"].(string); ok {
			require.True(t, strings.HasPrefix(uri, "s3://lake/"+prefix))
			require.NotContains(t, prefix, "code", "a function that lives long has put it there once")
			expired = true
		}
	}
	require.True(t, expired)
	_, err = gluedispatch.New(gluedispatch.Config{Client: awstest.NewGlueJobs(), Store: store, Job: filled(environment(t)["TIDEMARK_GLUE_JOB"])})
	require.NoError(t, err)
	_, err = emrdispatch.New(emrdispatch.Config{
		Client: awstest.NewEMRServerless(), Store: store, Application: "00f1", Role: filled(environment(t)["TIDEMARK_EMR_ROLE"]),
	})
	require.NoError(t, err)
}

// filled replaces what CloudFormation fills in.
func filled(v any) string {
	return strings.NewReplacer("${AWS::Partition}", "aws", "${AWS::Region}", "eu-west-1", "${AWS::AccountId}", "111122223333",
		"${GlueJob}", "tidemark", "${EmrRole}", "job").Replace(v.(string))
}

// TestEndsOfJobsWake: the rules pass every state that is an end, and may send.
func TestEndsOfJobsWake(t *testing.T) {
	p := readTemplate(t, "function.yaml")
	rules := p.resources("AWS::Events::Rule", all)
	for name, states := range map[string]int{"JobRule": 6, "EmrRule": 3} {
		detail := rules[name]["EventPattern"].(map[string]any)["detail"].(map[string]any)
		require.Len(t, detail["state"], states)
		for _, state := range texts(detail["state"]) {
			require.True(t, awsetl.JobState{State: state}.Final(), state)
		}
		require.Equal(t, "${Queue.Arn}", rules[name]["Targets"].([]any)[0].(map[string]any)["Arn"])
		for _, s := range statements(p.resources("AWS::SQS::QueuePolicy", all)["QueueAccess"]) {
			if s["Effect"] == "Allow" {
				require.Contains(t, s["Condition"].(map[string]any)["ArnEquals"].(map[string]any)["aws:SourceArn"], "${"+name+".Arn}")
			}
		}
	}
}

// TestSparkParameters: what spark.yaml puts out goes into function.yaml, and what
// it takes comes out of storage.yaml or has a default.
func TestSparkParameters(t *testing.T) {
	spark := readTemplate(t, "spark.yaml")
	for name := range spark.section("Outputs") {
		require.Contains(t, readTemplate(t, "function.yaml").section("Parameters"), name)
	}
	outputs := readTemplate(t, "storage.yaml").section("Outputs")
	for name, parameter := range spark.section("Parameters") {
		if _, ok := parameter.(map[string]any)["Default"]; !ok {
			require.Contains(t, outputs, name)
		}
	}
}
