package catalogsink

import (
	"errors"
	"fmt"
	"testing"

	"github.com/apache/iceberg-go/catalog"
	"github.com/apache/iceberg-go/table"
	"github.com/stretchr/testify/require"

	"github.com/tidemark-data/etl"
)

// apiError is an error of a service of AWS as far as this package knows it.
type apiError string

func (e apiError) Error() string     { return "api error " + string(e) }
func (e apiError) ErrorCode() string { return string(e) }

// Every error of a commit but a conflict must be ErrUnknownCommit, or the sink
// would remove files without a look at the table.
func TestCommitError(t *testing.T) {
	t.Parallel()
	const conflict, refusal, unknown = "conflict", "refusal", "unknown"
	for want, errs := range map[string][]error{
		conflict: {
			table.ErrCommitFailed, table.ErrCommitDiverged, errors.New("requirement failed: branch main has changed"),
			apiError("ConcurrentModificationException"), errors.New("database is locked"),
		},
		refusal: {
			apiError("AccessDeniedException"), apiError("EntityNotFoundException"), apiError("ValidationException"),
			apiError("ResourceNumberLimitExceededException"), catalog.ErrNoSuchTable, terminal(errors.New("forbidden")),
		},
		unknown: {
			apiError("ThrottlingException"), apiError("InternalServiceException"), errors.New("EOF"), errors.New("i/o timeout"),
		},
	} {
		for _, cause := range errs {
			err := fmt.Errorf("table t: commit: %w", commitError(fmt.Errorf("call: %w", cause)))
			require.ErrorIs(t, err, cause)
			require.Equal(t, want == conflict, isConflict(err), "%v", err)
			require.Equal(t, want != conflict, errors.Is(err, etl.ErrUnknownCommit), "%v", err)
			outcome := map[string]etl.Outcome{conflict: etl.Retry, refusal: etl.Terminal, unknown: etl.Indeterminate}[want]
			require.Equal(t, outcome, etl.OutcomeOf(err), "%v", err)
			again := &conflictError{err} // as settle says that the load is not there
			require.Equal(t, want != refusal, isConflict(again), "%v", err)
		}
	}
	require.NoError(t, commitError(nil))
}
