// Package dynamo says what the errors of DynamoDB mean, for the control store and
// the lock alike.
package dynamo

import (
	"context"
	"errors"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/smithy-go"

	"github.com/tidemark-data/etl"
)

// Verdict is what an error says of the call that it ended.
type Verdict uint8

// The verdicts.
const (
	Unanswered Verdict = iota // may have had its effect
	NotNow                    // had none, and may go better next time
	Unmet                     // had none: a condition was not met
	Never                     // had none, and will not go better by itself
	UnmetLate                 // a condition was not met, after an attempt without an answer
)

// Judge sorts the errors of the service ("Error handling with DynamoDB").
func Judge(err error) Verdict {
	var canceled *types.TransactionCanceledException
	if errors.As(err, &canceled) {
		return judgeReasons(canceled.CancellationReasons)
	}
	var api smithy.APIError
	if !errors.As(err, &api) {
		return Unanswered
	}
	switch api.ErrorCode() {
	case "ConditionalCheckFailedException":
		return Unmet
	case "ThrottlingException", "ProvisionedThroughputExceededException", "RequestLimitExceeded", "Throttling",
		"TransactionConflictException", "LimitExceededException", "ExpiredTokenException", "ReplicatedWriteConflictException":
		return NotNow
	case "TransactionInProgressException", "InternalServerError", "ServiceUnavailable", "ServiceUnavailableException":
		return Unanswered
	}
	if api.ErrorFault() == smithy.FaultClient {
		return Never
	}
	return Unanswered
}

func judgeReasons(reasons []types.CancellationReason) Verdict {
	v := NotNow
	for _, r := range reasons {
		if r.Code == nil {
			continue
		}
		switch *r.Code {
		case "ConditionalCheckFailed":
			v = max(v, Unmet)
		case "ValidationError", "ItemCollectionSizeLimitExceeded", "AccessDenied":
			v = Never
		}
	}
	return v
}

// Outcome declares what an error of the service, or of the way to it, means for
// calls without effect.
func Outcome(v Verdict, err error) error {
	switch {
	case err == nil || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded):
		return err
	case v == Never:
		return etl.WithOutcome(etl.Terminal, err)
	}
	return etl.WithOutcome(etl.Retry, err)
}
