package s3source

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"syscall"

	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/smithy-go"

	"github.com/tidemark-data/etl"
)

// requestError is a request that failed. Its text is made of what S3's
// documentation names, not of what the SDK or a server wrote, because that may
// hold URLs with signatures; they are in the chain for those who look.
type requestError struct {
	op, where, what, hint string
	is                    error // a sentinel, or nil
	cause                 error
}

func (e *requestError) Error() string {
	text := "s3 " + e.op + " " + e.where + ": " + e.what
	if e.is != nil {
		text = e.is.Error() + ": " + text
	}
	if e.hint != "" {
		text += ": " + e.hint
	}
	return text
}

func (e *requestError) Unwrap() []error {
	if e.is != nil {
		return []error{e.is, e.cause}
	}
	return []error{e.cause}
}

// where names an object without anything that could forge a line of a log.
func (s *Source) where(key string) string { return printable("s3://" + s.opts.Bucket + "/" + key) }

func printable(v string) string {
	for _, r := range v {
		if !strconv.IsPrint(r) {
			return strconv.Quote(v)
		}
	}
	return v
}

// inFile pins an error to its file.
func inFile(location string, err error) error {
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	return &etl.FileError{File: location, Err: err}
}

func noKey(location string) error {
	return &etl.FileError{File: location, Err: fmt.Errorf("%w: the location cannot be a key", etl.ErrFileVanished)}
}

// code is the code of S3's answer, as "NoSuchKey"; "" where there was none.
func code(err error) string {
	var api smithy.APIError
	if errors.As(err, &api) {
		return api.ErrorCode()
	}
	return ""
}

// explain turns an error of the client into one of this package: what is gone
// or changed gets the sentinel, what will not get better by itself is Terminal.
func (s *Source) explain(ctx context.Context, op, key string, err error) error {
	e := &requestError{op: op, where: s.where(key), cause: err}
	if cause := context.Cause(ctx); errors.Is(cause, errStalled) {
		e.what, e.cause = "nothing came for "+s.opts.StallTimeout.String(), cause
		return e
	} else if cause != nil {
		return cause
	}
	status := 0
	var response *awshttp.ResponseError
	if errors.As(err, &response) && response.ResponseError != nil && response.Response != nil && response.Response.Response != nil {
		status = response.HTTPStatusCode()
	}
	code := code(err)
	if status == 0 && code == "" {
		e.what = connection(err)
		return e
	}
	e.what = printable(code)
	if status != 0 {
		e.what += " (" + strconv.Itoa(status) + ")"
	}
	if response != nil && response.RequestID != "" {
		e.what += ", request " + printable(response.RequestID)
	}
	e.is = sentinel(op, code, status)
	e.hint = hint(code, status, err)
	if e.is != nil || !transient(code, status) {
		return etl.WithOutcome(etl.Terminal, e)
	}
	return e
}

// connection describes an error that came without an answer.
func connection(err error) string {
	var dns *net.DNSError
	var errno syscall.Errno
	var timeout net.Error
	switch {
	case errors.As(err, &dns):
		return "the endpoint's name could not be resolved"
	case errors.As(err, &errno):
		return "connection failed: " + errno.Error()
	case errors.Is(err, errBadEnd):
		return "the object did not end well (checksum or connection)"
	case errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.EOF):
		return "connection ended early"
	case errors.As(err, &timeout) && timeout.Timeout():
		return "connection timed out"
	}
	return "no answer (network, or no usable credentials)"
}

func sentinel(op, code string, status int) error {
	switch {
	case code == "NoSuchKey", code == "NotFound", status == 404 && code == "",
		status == 405 && (op == "GetObject" || op == "HeadObject"): // a delete marker
		return etl.ErrFileVanished
	case status == 412, code == "PreconditionFailed", status == 416, code == "InvalidRange":
		return etl.ErrFileChanged
	}
	return nil
}

// transient is what "Amazon S3 error responses" asks to try again.
func transient(code string, status int) bool {
	switch code {
	case "RequestTimeout", "OperationAborted", "ConditionalRequestConflict", "ExpiredToken", "RequestTimeTooSkewed", "TooManyRequests":
		return true
	}
	return strings.Contains(code, "Throttl") || strings.HasSuffix(code, "SlowDown") ||
		status == 0 || status == 408 || status == 409 || status == 429 || status >= 500 && status != 501
}

func hint(code string, status int, err error) string {
	kms := strings.HasPrefix(code, "KMS.")
	var api smithy.APIError
	if errors.As(err, &api) && status == 403 { // read, not repeated
		kms = kms || strings.Contains(strings.ToLower(api.ErrorMessage()), "kms")
	}
	switch {
	case kms:
		return "the object is encrypted with a KMS key: the role needs kms:Decrypt on the key, which must be enabled"
	case code == "InvalidObjectState":
		return "the object is archived; restore it first"
	case code == "InvalidAccessKeyId", code == "SignatureDoesNotMatch", code == "InvalidToken":
		return "the client's credentials are not accepted"
	case status == 403:
		return "the role needs s3:GetObject (s3:GetObjectVersion with versions) on the key and s3:ListBucket on the bucket, without which a missing key reads as denied; " +
			"look at the expected owner and requester-pays options too"
	case code == "NoSuchBucket":
		return "there is no such bucket in the client's partition"
	case status == 301, status == 307, code == "AuthorizationHeaderMalformed", code == "PermanentRedirect":
		return "the bucket is in another region than the client's"
	case code == "InvalidRequest", status == 400:
		return "if the object is encrypted under a key that its writer supplied (SSE-C), it cannot be read"
	}
	return ""
}
