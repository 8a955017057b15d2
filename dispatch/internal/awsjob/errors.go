package awsjob

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"strings"

	"github.com/aws/smithy-go"

	"github.com/tidemark-data/etl"
)

// Codes of answers that say "not now", whatever the call: it had no effect.
var notNow = []string{
	"ConcurrentRunsExceededException", "ResourceNumberLimitExceededException", "ServiceQuotaExceededException",
	"ThrottlingException", "Throttling", "ThrottledException", "TooManyRequestsException", "RequestLimitExceeded", "SlowDown",
	"ExpiredTokenException", "ExpiredToken", "RequestExpired", "ResourceNotReadyException",
}

// Codes of answers that leave open whether the call had its effect.
var unclear = []string{
	"InternalServiceException", "InternalServerException", "InternalFailure", "OperationTimeoutException",
	"ServiceUnavailable", "ServiceUnavailableException", "RequestTimeout", "RequestTimeoutException",
}

// Codes of answers that will not change by themselves; the SDK has no types, and
// so no fault, for some of them.
var never = []string{
	"AccessDeniedException", "AccessDenied", "UnrecognizedClientException", "InvalidSignatureException", "MissingAuthenticationToken",
	"InvalidInputException", "ValidationException", "EntityNotFoundException", "ResourceNotFoundException",
}

// CodeOf returns the code of a service's answer; empty where there was none.
func CodeOf(err error) string {
	var api smithy.APIError
	if errors.As(err, &api) {
		return api.ErrorCode()
	}
	return ""
}

// Failed describes a call that failed. effect says whether it may have done
// something: then no answer, or an unclear one, is Indeterminate instead of Retry.
func Failed(what string, err error, effect bool) error {
	code := CodeOf(err)
	if code == "" && !effect && (errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded)) {
		return err
	}
	e := &callError{text: what + ": " + describe(err), cause: err}
	switch {
	case slices.Contains(notNow, code):
		return etl.WithOutcome(etl.Retry, e)
	case slices.Contains(never, code):
		return etl.WithOutcome(etl.Terminal, e)
	case code != "" && !slices.Contains(unclear, code) && faultOf(err) == smithy.FaultClient:
		return etl.WithOutcome(etl.Terminal, e)
	case effect:
		return etl.WithOutcome(etl.Indeterminate, e)
	}
	return etl.WithOutcome(etl.Retry, e)
}

func faultOf(err error) smithy.ErrorFault {
	var api smithy.APIError
	if errors.As(err, &api) {
		return api.ErrorFault()
	}
	return smithy.FaultUnknown
}

// NotFound says that an engine does not know a job.
func NotFound(what string, cause error) error {
	return &callError{text: etl.ErrNotFound.Error() + ": " + what, is: etl.ErrNotFound, cause: cause}
}

const maxMessage = 300

// describe returns the code and the message of an answer. They come from the
// service's front, which has seen names but no rows.
func describe(err error) string {
	var api smithy.APIError
	if !errors.As(err, &api) {
		return "no answer"
	}
	return api.ErrorCode() + ": " + printable(api.ErrorMessage())
}

func printable(s string) string {
	s = strings.Map(func(r rune) rune {
		if !strconv.IsPrint(r) {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(s, "?"))
	if runes := []rune(s); len(runes) > maxMessage {
		return string(runes[:maxMessage]) + "..."
	}
	return s
}

type callError struct {
	text      string
	is, cause error
}

func (e *callError) Error() string { return e.text }

func (e *callError) Unwrap() []error {
	var chain []error
	for _, err := range []error{e.is, e.cause} {
		if err != nil {
			chain = append(chain, err)
		}
	}
	return chain
}
