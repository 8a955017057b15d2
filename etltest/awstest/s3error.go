package awstest

import (
	"net"
	"net/http"
	"os"
	"strings"
	"syscall"

	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"
)

// ErrReset is a connection that was reset by the other side.
var ErrReset error = &net.OpError{Op: "read", Net: "tcp", Err: os.NewSyscallError("read", syscall.ECONNRESET)}

// S3Error returns an answer of the service as the client of the SDK returns it.
// The codes are those of "Amazon S3 error responses".
func S3Error(status int, code, message string) error {
	return s3Response(status, s3APIError(code, message))
}

// S3SlowDown returns the answer to too many requests.
func S3SlowDown() error { return S3Error(503, "SlowDown", "Please reduce your request rate.") }

func s3APIError(code, message string) error {
	switch code {
	case "NoSuchKey":
		return &types.NoSuchKey{Message: &message}
	case "NoSuchBucket":
		return &types.NoSuchBucket{Message: &message}
	case "NoSuchUpload":
		return &types.NoSuchUpload{Message: &message}
	case "NotFound":
		return &types.NotFound{Message: &message}
	}
	return &smithy.GenericAPIError{Code: code, Message: message}
}

func s3Response(status int, err error) error {
	return &awshttp.ResponseError{
		RequestID: "0000000000000000",
		ResponseError: &smithyhttp.ResponseError{
			Response: &smithyhttp.Response{Response: &http.Response{StatusCode: status, Header: http.Header{}}},
			Err:      err,
		},
	}
}

func s3Failed(op string, err error) error {
	return &smithy.OperationError{ServiceID: "S3", OperationName: op, Err: err}
}

// s3Headless is an answer to HEAD, which has no body to hold code and message.
func s3Headless(op string, status int, code, message string) error {
	if strings.HasPrefix(op, "Head") {
		return S3Error(status, strings.ReplaceAll(http.StatusText(status), " ", ""), http.StatusText(status))
	}
	return S3Error(status, code, message)
}

func s3NoSuchBucket(op string) error {
	return s3Headless(op, 404, "NoSuchBucket", "The specified bucket does not exist")
}

func s3NoSuchKey(op string) error {
	return s3Headless(op, 404, "NoSuchKey", "The specified key does not exist.")
}

func s3Denied(op string) error { return s3Headless(op, 403, "AccessDenied", "Access Denied") }

func s3Precondition(op string) error {
	return s3Headless(op, 412, "PreconditionFailed", "At least one of the pre-conditions you specified did not hold")
}
