package awstest

import (
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/smithy-go"
)

var _ smithy.APIError = (*dynamoError)(nil)

// dynamoError is an error of the service that the SDK has no type for.
type dynamoError struct{ code, message string }

func (e *dynamoError) Error() string                 { return "api error " + e.code + ": " + e.message }
func (e *dynamoError) ErrorCode() string             { return e.code }
func (e *dynamoError) ErrorMessage() string          { return e.message }
func (e *dynamoError) ErrorFault() smithy.ErrorFault { return smithy.FaultClient }

func conditionFailed(old dynamoItem, values types.ReturnValuesOnConditionCheckFailure) error {
	err := &types.ConditionalCheckFailedException{Message: ptr("The conditional request failed")}
	if values == types.ReturnValuesOnConditionCheckFailureAllOld {
		err.Item = copyItem(old)
	}
	return err
}

// canceledTransaction words the message as the service does.
func canceledTransaction(reasons []types.CancellationReason) error {
	codes := make([]string, len(reasons))
	for i, r := range reasons {
		codes[i] = deref(r.Code)
	}
	return &types.TransactionCanceledException{
		Message: ptr("Transaction cancelled, please refer cancellation reasons for specific reasons [" +
			strings.Join(codes, ", ") + "]"),
		CancellationReasons: reasons,
	}
}
