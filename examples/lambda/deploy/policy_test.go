// Package deploy_test holds the CloudFormation templates against the code.
package deploy_test

import (
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tidemark-data/etl/awsetl"
	"github.com/tidemark-data/etl/control/dynamocontrol"
	"github.com/tidemark-data/etl/dispatch/emrdispatch"
	"github.com/tidemark-data/etl/dispatch/gluedispatch"
	"github.com/tidemark-data/etl/dispatch/s3store"
	"github.com/tidemark-data/etl/lock/dynamolock"
	"github.com/tidemark-data/etl/source/s3source"
)

// TestPolicies compares the policies of the template with the calls that are
// made: what is missing fails, and what is too much.
func TestPolicies(t *testing.T) {
	h := newHouse(t)
	h.live()
	files, catalog := set{}, set{}
	for _, a := range h.lake.seen {
		files[a.action(t)] = true
		require.Equal(t, warehouse, a.bucket)
		require.True(t, a.key == "" || strings.HasPrefix(a.key, prefix), "%s is not in the folder that the policy allows", a.key)
	}
	for _, c := range h.glue.Calls() {
		catalog["glue:"+c.Op] = true
		require.Contains(t, []string{"", "hr"}, c.Database)
	}
	control := join(callsOf[dynamocontrol.Client](t, "dynamodb"), callsOf[dynamolock.Client](t, "dynamodb"),
		transactions(t, "../../../control/dynamocontrol"), transactions(t, "../../../lock/dynamolock"))
	delete(control, "dynamodb:TransactWriteItems")

	want := map[string]set{
		"LandingPolicy":   callsOf[s3source.Client](t, "s3"),
		"WarehousePolicy": files,
		"CatalogPolicy":   catalog,
		"ControlPolicy":   control,
		// AWS Lambda Developer Guide, "Configuring a queue to use with Lambda".
		"QueuePolicy":  join(setOf("sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes"), callsOf[awsetl.SQSClient](t, "sqs")),
		"NoticePolicy": join(callsOf[awsetl.SNSClient](t, "sns"), callsOf[awsetl.BridgeClient](t, "events")),
		// Lambda writes the log, whose group is there; examples/lambda reads its config file.
		"FunctionPolicy": setOf("logs:CreateLogStream", "logs:PutLogEvents", "s3:GetObject"),
		"TokenPolicy":    callsOf[awsetl.TaskClient](t, "states"),
		// Runs on EMR Serverless get their role from who starts them; those on Glue have that of the job.
		"JobsPolicy": join(callsOf[s3store.Client](t, "s3"), callsOf[gluedispatch.Client](t, "glue"),
			callsOf[emrdispatch.Client](t, "emr-serverless"), setOf("iam:PassRole")),
	}
	want["KeyPolicy"], _ = keyActions(want)

	policies := readTemplate(t, "function.yaml").resources("AWS::IAM::ManagedPolicy", all)
	require.Equal(t, slices.Sorted(maps.Keys(want)), slices.Sorted(maps.Keys(policies)))
	for name, properties := range policies {
		got := set{}
		for _, s := range statements(properties) {
			require.Equal(t, "Allow", s["Effect"])
			maps.Copy(got, setOf(texts(s["Action"])...))
		}
		require.Equal(t, want[name].sorted(), got.sorted(), name)
	}
}

// keyActions returns what those actions take of KMS where all is encrypted with
// a key of the account, and the services through which it is taken.
func keyActions(policies map[string]set) (actions set, services []string) {
	takes := map[string][]string{
		"s3:GetObject": {"kms:Decrypt"}, "s3:PutObject": {"kms:GenerateDataKey", "kms:Decrypt"}, // in parts, both
		"sqs:SendMessage": {"kms:GenerateDataKey", "kms:Decrypt"}, "sqs:ReceiveMessage": {"kms:Decrypt"},
		"sns:Publish": {"kms:GenerateDataKey", "kms:Decrypt"}, "dynamodb:GetItem": {"kms:Decrypt"},
	}
	actions, via := set{}, set{}
	for _, policy := range policies {
		for action := range policy {
			service, _, _ := strings.Cut(action, ":")
			for _, a := range takes[action] {
				actions[a], via[service] = true, true
			}
		}
	}
	return actions, via.sorted()
}

// TestKeyOnlyThroughServices: the role can use the key for what its services
// do for it, and for nothing else.
func TestKeyOnlyThroughServices(t *testing.T) {
	key := readTemplate(t, "function.yaml").resources("AWS::IAM::ManagedPolicy", all)["KeyPolicy"]
	_, services := keyActions(map[string]set{"": setOf("s3:GetObject", "sqs:SendMessage", "sns:Publish", "dynamodb:GetItem")})
	for _, s := range statements(key) {
		via := texts(s["Condition"].(map[string]any)["StringEquals"].(map[string]any)["kms:ViaService"])
		for i := range via {
			via[i] = strings.TrimSuffix(via[i], ".${AWS::Region}.amazonaws.com")
		}
		slices.Sort(via)
		if reflect.DeepEqual(texts(s["Resource"]), []string{"${LandingKeyArn}"}) {
			services = []string{"s3"}
		}
		require.Equal(t, services, via)
	}
}

// TestAllClientsHavePolicies: a client that the function gets later needs a
// policy, and a place in TestPolicies.
func TestAllClientsHavePolicies(t *testing.T) {
	policyOf := map[string]string{
		"S3": "LandingPolicy", "DynamoDB": "ControlPolicy", "SQS": "QueuePolicy", "SNS": "NoticePolicy",
		"EventBridge": "NoticePolicy", "SFN": "TokenPolicy", "Lambda": "", // the queue wakes instead
		"Glue": "JobsPolicy", "EMRServerless": "JobsPolicy", "Documents": "JobsPolicy",
	}
	clients := reflect.TypeFor[awsetl.Clients]()
	for i := range clients.NumField() {
		require.Contains(t, policyOf, clients.Field(i).Name)
	}
	require.Len(t, policyOf, clients.NumField())
	require.Equal(t, "${Queue}", environment(t)["TIDEMARK_WAKE_QUEUE"])
}

// TestPoliciesAreNarrow: no action and no resource of more than is meant.
func TestPoliciesAreNarrow(t *testing.T) {
	p := readTemplate(t, "function.yaml")
	policies := p.resources("AWS::IAM::ManagedPolicy", all)
	var attached []string
	for name, properties := range policies {
		attached = append(attached, "${"+name+"}")
		for _, s := range statements(properties) {
			for _, key := range []string{"NotAction", "NotResource"} {
				require.NotContains(t, s, key)
			}
			for _, action := range texts(s["Action"]) {
				require.NotContains(t, action, "*", name)
			}
			for _, resource := range texts(s["Resource"]) {
				if name == "TokenPolicy" {
					require.Equal(t, "*", resource, "these actions know no other")
					continue
				}
				require.NotContains(t, strings.TrimSuffix(resource, "*"), "*", name)
				require.Contains(t, resource, "${", name)
			}
		}
	}
	roles := p.resources("AWS::IAM::Role", all)
	require.Len(t, roles, 1)
	require.NotContains(t, roles["Role"], "Policies", "a policy outside the test's sight")
	require.ElementsMatch(t, attached, texts(roles["Role"]["ManagedPolicyArns"]))
	require.LessOrEqual(t, len(attached), 10, "a role takes ten (IAM quotas)")
	require.Empty(t, p.resources("AWS::IAM::Policy", all))
}
