package etl_test

import (
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// deps lists what the packages compile, themselves included.
func deps(t *testing.T, packages ...string) []string {
	out, err := exec.Command("go", append([]string{"list", "-deps"}, packages...)...).Output()
	require.NoError(t, err)
	return strings.Fields(string(out))
}

// TestRootCompilesNoAdapters holds the promise of the design: who imports the
// root and the memory adapters compiles no AWS, no Iceberg and no SQLite.
func TestRootCompilesNoAdapters(t *testing.T) {
	heavy := []string{"aws", "iceberg", "sqlite", "google.golang.org/grpc", "pqarrow", "opentelemetry", "avro", "cel.dev", "hyperloglog"}
	for _, dep := range deps(t, ".", "./source", "./format", "./control", "./lock", "./transform", "./sink", "./observer", "./quarantine", "./check", "./dispatch") {
		for _, h := range heavy {
			require.NotContains(t, dep, h)
		}
	}
}

func TestRootImports(t *testing.T) {
	out, err := exec.Command("go", "list", "-f", `{{join .Imports "\n"}}`, ".").Output()
	require.NoError(t, err)
	for _, imp := range strings.Fields(string(out)) {
		first, _, _ := strings.Cut(imp, "/")
		ok := !strings.Contains(first, ".") ||
			strings.HasPrefix(imp, "github.com/apache/arrow-go/v18/arrow") ||
			strings.HasPrefix(imp, "golang.org/x/sync/") ||
			strings.HasPrefix(imp, "github.com/tidemark-data/etl/internal/")
		require.True(t, ok, "root imports %s", imp)
	}
}

// TestLeavesAreLeaves: heavy modules are imported by the packages that are
// named after them, by the command and by nobody else.
func TestLeavesAreLeaves(t *testing.T) {
	allowed := map[string][]string{
		"modernc.org/sqlite":           {"control/sqlitecontrol", "lock/sqlitelock", "sink/icebergsink"},
		"github.com/apache/iceberg-go": {"sink/icebergsink"},
		"github.com/twmb/avro":         {"format/avroformat"},
		"cel.dev/":                     {"transform/celtransform"},
		"golang.org/x/text":            {"transform/nfctransform"},
		"go.opentelemetry.io/":         {"observer/otelobserver"},
		"github.com/axiomhq/":          {"check/hllcheck"},
		"github.com/aws/": {
			"awsetl", "source/s3source", "internal/dynamo", "control/dynamocontrol", "lock/dynamolock", "sink/icebergsink/gluesink", "sink/icebergsink/restsink", "sink/icebergsink/internal/awslake",
			"dispatch/gluedispatch", "dispatch/emrdispatch", "dispatch/s3store", "quarantine/s3quarantine", "dispatch/internal/awsjob", "etltest/awstest", "examples/lambda", "integration",
		},
	}
	out, err := exec.Command("go", "list", "-f", `{{.ImportPath}}: {{join .Imports " "}}`, "./...").Output()
	require.NoError(t, err)
	for _, l := range strings.Split(strings.TrimSpace(string(out)), "\n") {
		pkg, imports, _ := strings.Cut(l, ":")
		pkg = strings.TrimPrefix(pkg, "github.com/tidemark-data/etl/")
		for _, imp := range strings.Fields(imports) {
			for module, leaves := range allowed {
				if strings.HasPrefix(imp, module) {
					require.True(t, slices.ContainsFunc(leaves, func(l string) bool { return strings.HasPrefix(pkg, l) }), "%s imports %s", pkg, imp)
				}
			}
		}
	}
}
