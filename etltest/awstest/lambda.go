package awstest

import (
	"context"
	"sync"

	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"
)

// lambdaMaxAsync is the greatest payload of an asynchronous invocation in bytes.
const lambdaMaxAsync = 1 << 20

// Lambda is an in-memory AWS Lambda that keeps asynchronous invocations instead
// of making them. The exported fields must not be changed while calls are under
// way. It is safe for concurrent use.
type Lambda struct {
	// Fail, if not nil, may fail a call before its effect.
	Fail func() error

	mu      sync.Mutex
	invoked map[string][][]byte
}

// Invoke is that of the SDK's client, for InvocationType Event.
func (l *Lambda) Invoke(ctx context.Context, in *lambda.InvokeInput, _ ...func(*lambda.Options)) (*lambda.InvokeOutput, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if l.Fail != nil {
		if err := l.Fail(); err != nil {
			return nil, err
		}
	}
	switch {
	case deref(in.FunctionName) == "":
		return nil, &types.ResourceNotFoundException{Message: ptr("Function not found")}
	case in.InvocationType != types.InvocationTypeEvent:
		return nil, &apiError{"InvalidParameterValueException", "only asynchronous invocations are kept"}
	case len(in.Payload) > lambdaMaxAsync:
		return nil, &types.RequestTooLargeException{Message: ptr("Request too large")}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.invoked == nil {
		l.invoked = map[string][][]byte{}
	}
	l.invoked[*in.FunctionName] = append(l.invoked[*in.FunctionName], append([]byte{}, in.Payload...))
	return &lambda.InvokeOutput{StatusCode: 202}, nil
}

// Take returns the payloads of the invocations of a function since the last Take.
func (l *Lambda) Take(function string) [][]byte {
	l.mu.Lock()
	defer l.mu.Unlock()
	out := l.invoked[function]
	delete(l.invoked, function)
	return out
}
