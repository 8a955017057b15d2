package catalogsink

import (
	"errors"
	"fmt"
	"strings"

	"github.com/apache/iceberg-go/catalog"
	"github.com/apache/iceberg-go/table"

	"github.com/tidemark-data/etl"
)

func terminal(err error) error { return etl.WithOutcome(etl.Terminal, err) }

// conflictError marks an attempt that may be made again at once.
type conflictError struct{ err error }

func (e *conflictError) Error() string   { return e.err.Error() }
func (e *conflictError) Unwrap() []error { return []error{etl.ErrConflict, e.err} }

// isConflict reports whether another attempt is worth making.
func isConflict(err error) bool {
	var c *conflictError
	return errors.As(err, &c) && etl.OutcomeOf(err) != etl.Terminal
}

// refusedError is a commit that the catalog refuses for good. Its client may
// have asked twice, and only the second answer be known: so it also is
// ErrUnknownCommit, which has the sink look for the load and keep the files.
type refusedError struct{ err error }

func (e *refusedError) Error() string   { return e.err.Error() }
func (e *refusedError) Unwrap() []error { return []error{terminal(e.err), etl.ErrUnknownCommit} }

// commitError classifies the error of a commit: a conflict, after which nothing
// was changed, a refusal, or an unknown outcome: timeouts, throttling, answers
// 5xx and broken connections, also those before the catalog did anything, as the
// look for the load tells them apart. iceberg-go tells a stale base by text
// only (it does not wrap ErrCommitFailed), and the SQLite drivers share no
// error type but the text.
func commitError(err error) error {
	if err == nil {
		return nil
	}
	text := err.Error()
	switch {
	case errors.Is(err, table.ErrCommitFailed), errors.Is(err, table.ErrCommitDiverged),
		strings.Contains(text, "requirement failed"), outrun(text), isBusy(err), codeOf(err) == "ConcurrentModificationException":
		return &conflictError{err}
	case etl.OutcomeOf(err) == etl.Terminal:
		return &refusedError{err}
	case hintOf(err) != "":
		return &refusedError{catalogError(err)}
	case errors.Is(err, catalog.ErrNoSuchTable), errors.Is(err, catalog.ErrNoSuchNamespace):
		return &refusedError{fmt.Errorf("%w (the table went away under the load)", err)}
	default:
		return fmt.Errorf("%w: %w", etl.ErrUnknownCommit, err)
	}
}

// outrun reports whether a snapshot was refused because one of another branch came
// first, which takes the sequence number and row ids that it was to have.
func outrun(text string) bool {
	return strings.Contains(text, "must be > than last sequence number") || strings.Contains(text, "is behind table next-row-id")
}

// catalogError makes refusals of a catalog terminal, with a hint.
func catalogError(err error) error {
	if hint := hintOf(err); hint != "" {
		return terminal(fmt.Errorf("%w (%s)", err, hint))
	}
	return err
}

// codeOf is the code of an error of a service of AWS, or empty. The method is
// that of APIError in github.com/aws/smithy-go, which is not imported for it.
func codeOf(err error) string {
	var coded interface{ ErrorCode() string }
	if errors.As(err, &coded) {
		return coded.ErrorCode()
	}
	return ""
}

// hintOf says what to do about an error that will not go away by itself; empty
// for all others.
func hintOf(err error) string {
	switch codeOf(err) {
	case "AccessDenied", "AccessDeniedException", "UnauthorizedException", "GlueEncryptionException":
		return "the catalog refuses the caller: check its IAM policy, the Lake Formation grants and the catalog's KMS key"
	case "EntityNotFoundException":
		return "the table or its database went away"
	case "ValidationException", "InvalidInputException":
		return "the catalog does not take the table as it is declared"
	case "ResourceNumberLimitExceededException":
		return "a quota of the catalog is used up: have it raised, or remove what is old"
	}
	return ""
}

// isBusy reports whether a SQLite catalog was locked by another writer for
// longer than its busy timeout; nothing was written then.
func isBusy(err error) bool {
	text := err.Error()
	return strings.Contains(text, "database is locked") || strings.Contains(text, "SQLITE_BUSY")
}
