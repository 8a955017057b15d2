package awsjob

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/aws/smithy-go"
	"github.com/stretchr/testify/require"

	"github.com/tidemark-data/etl"
	"github.com/tidemark-data/etl/dispatch"
)

func TestReasonKeepsNoValues(t *testing.T) {
	for message, want := range map[string]string{
		"": "",
		"Error Category: UNCLASSIFIED_ERROR; Failed Line Number: 31; ValueError: bad cell 'Ann Smith, 555-1234'": "UNCLASSIFIED_ERROR, ValueError",
		"Error Category: PERMISSION_ERROR; An error occurred (AccessDeniedException) when calling GetObject":     "PERMISSION_ERROR, access denied",
		"org.apache.spark.SparkException: Job aborted: cannot cast 'Ann Smith'":                                  "org.apache.spark.SparkException",
		"Command failed with exit code 10": "exit code 10",
		"Job failed, please check complete logs. ExitCode: 1. Last few exceptions: row Ann Smith": "exit code 1",
		"java.lang.OutOfMemoryError: Java heap space":                                             "java.lang.OutOfMemoryError, out of memory",
		"the row of AnnSmithException: 'x'":                                                       "",
		"Ann Smith, 555":                                                                          "",
		"No space left on device: Ann":                                                            "disk full",
		"ModuleNotFoundError: No module named 'pyarrow'":                                          "ModuleNotFoundError, a Python module is missing",
	} {
		require.Equal(t, want, Reason(message), message)
	}
	require.Equal(t, "FAILED (exit code 1)", Say("FAILED", "ExitCode: 1"))
	require.Equal(t, "SUCCESS", Say("SUCCESS", "fine"))
	require.Equal(t, "out of memory", Reason("out of memory"+strings.Repeat("x", 1<<20)+"exit code 1"))
}

func FuzzReason(f *testing.F) {
	f.Add("Error Category: OUT_OF_MEMORY_ERROR; ")
	f.Fuzz(func(t *testing.T, s string) {
		const value = "§ 4711 §"
		require.NotContains(t, Reason(s+value), value)
		require.LessOrEqual(t, len(Reason(s)), 1024)
	})
}

func TestWhatErrorsMean(t *testing.T) {
	api := func(code string) error {
		return &smithy.OperationError{ServiceID: "Glue", Err: &smithy.GenericAPIError{Code: code, Message: "line\none"}}
	}
	broken := errors.New("read: connection reset, https://signed?secret")
	for _, c := range []struct {
		err           error
		effect, reads etl.Outcome
	}{
		{api("ConcurrentRunsExceededException"), etl.Retry, etl.Retry},
		{api("ResourceNumberLimitExceededException"), etl.Retry, etl.Retry},
		{api("ServiceQuotaExceededException"), etl.Retry, etl.Retry},
		{api("ThrottlingException"), etl.Retry, etl.Retry},
		{api("AccessDeniedException"), etl.Terminal, etl.Terminal},
		{api("InvalidInputException"), etl.Terminal, etl.Terminal},
		{api("EntityNotFoundException"), etl.Terminal, etl.Terminal},
		{api("InternalServiceException"), etl.Indeterminate, etl.Retry},
		{api("OperationTimeoutException"), etl.Indeterminate, etl.Retry},
		{api("SomethingNew"), etl.Indeterminate, etl.Retry},
		{&smithy.GenericAPIError{Code: "Known", Fault: smithy.FaultClient}, etl.Terminal, etl.Terminal},
		{broken, etl.Indeterminate, etl.Retry},
		{context.Canceled, etl.Indeterminate, etl.Retry},
	} {
		require.Equal(t, c.effect, etl.OutcomeOf(Failed("start", c.err, true)), c.err)
		require.Equal(t, c.reads, etl.OutcomeOf(Failed("ask", c.err, false)), c.err)
		require.ErrorIs(t, Failed("start", c.err, true), c.err)
	}
	require.EqualError(t, Failed("start", api("X"), true), "start: X: line one")
	require.EqualError(t, Failed("start", broken, true), "start: no answer")
	require.ErrorIs(t, NotFound("run", broken), etl.ErrNotFound)
	require.ErrorIs(t, NotFound("run", nil), etl.ErrNotFound)
}

func TestCodeIsPutOnce(t *testing.T) {
	folder, err := dispatch.NewFolder(t.TempDir())
	require.NoError(t, err)
	s := &counting{Store: folder, fail: 1}
	var c Code
	_, _, err = c.Put(t.Context(), s)
	require.ErrorContains(t, err, "full")
	script, archive, err := c.Put(t.Context(), s)
	require.NoError(t, err)
	again, _, err := c.Put(t.Context(), s)
	require.NoError(t, err)
	require.Equal(t, script, again)
	require.Equal(t, 3, s.puts, "one failed, two went through")
	require.True(t, strings.HasSuffix(archive, "/tidemark_spark.zip"))
	data, err := s.Get(t.Context(), script, 1<<20)
	require.NoError(t, err)
	require.Contains(t, string(data), "tidemark_spark.main")
}

type counting struct {
	dispatch.Store
	puts, fail int
}

func (c *counting) Put(ctx context.Context, name string, data []byte) (string, error) {
	if c.puts++; c.puts <= c.fail {
		return "", errors.New("full")
	}
	return c.Store.Put(ctx, name, data)
}
