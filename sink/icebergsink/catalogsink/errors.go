package catalogsink

import (
	"errors"
	"fmt"
	"strings"

	"github.com/apache/iceberg-go/table"

	"github.com/tidemark-data/etl"
)

func terminal(err error) error { return etl.WithOutcome(etl.Terminal, err) }

// conflictError marks an attempt that may be made again at once.
type conflictError struct{ err error }

func (e *conflictError) Error() string   { return e.err.Error() }
func (e *conflictError) Unwrap() []error { return []error{etl.ErrConflict, e.err} }

func isConflict(err error) bool {
	var c *conflictError
	return errors.As(err, &c)
}

// commitError classifies the error of a commit: a conflict, after which nothing
// was changed, or an unknown outcome. iceberg-go tells a stale base by text
// only (it does not wrap ErrCommitFailed), and the SQLite drivers share no
// error type but the text.
func commitError(err error) error {
	if err == nil {
		return nil
	}
	text := err.Error()
	switch {
	case errors.Is(err, table.ErrCommitFailed), errors.Is(err, table.ErrCommitDiverged),
		strings.Contains(text, "requirement failed"), isBusy(err):
		return &conflictError{err}
	default:
		return fmt.Errorf("%w: %w", etl.ErrUnknownCommit, err)
	}
}

// isBusy reports whether a SQLite catalog was locked by another writer for
// longer than its busy timeout; nothing was written then.
func isBusy(err error) bool {
	text := err.Error()
	return strings.Contains(text, "database is locked") || strings.Contains(text, "SQLITE_BUSY")
}
