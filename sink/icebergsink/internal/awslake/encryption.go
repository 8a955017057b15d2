package awslake

import (
	"context"
	"errors"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/smithy-go/middleware"
)

// Encryption is the server-side encryption that new objects ask for (Amazon S3
// User Guide, "Protecting data with server-side encryption"). The zero value
// asks for none, and the bucket's default holds.
type Encryption struct {
	// Algorithm is "AES256", "aws:kms" or "aws:kms:dsse".
	Algorithm string
	// KMSKey is the id or ARN of the key, for the two with KMS; empty is the
	// account's key for S3.
	KMSKey string
	// BucketKey asks for an S3 Bucket Key, which saves calls to KMS.
	BucketKey bool
}

func (e Encryption) check() error {
	switch types.ServerSideEncryption(e.Algorithm) {
	case types.ServerSideEncryptionAwsKms, types.ServerSideEncryptionAwsKmsDsse:
		return nil
	case "", types.ServerSideEncryptionAes256:
		if e.KMSKey != "" || e.BucketKey {
			return errors.New(`encryption: a key needs the algorithm "aws:kms" or "aws:kms:dsse"`)
		}
		return nil
	}
	return errors.New(`encryption: the algorithm is none of "AES256", "aws:kms", "aws:kms:dsse"`)
}

// addTo puts the encryption into the requests that begin objects. iceberg-go's
// file IO has no property for it, so it goes by the client's middleware, which
// reaches the metadata files too that iceberg-go writes itself.
func (e Encryption) addTo(stack *middleware.Stack) error {
	return stack.Initialize.Add(middleware.InitializeMiddlewareFunc("tidemark/encryption",
		func(ctx context.Context, in middleware.InitializeInput, next middleware.InitializeHandler) (middleware.InitializeOutput, middleware.Metadata, error) {
			var key *string
			if e.KMSKey != "" {
				key = aws.String(e.KMSKey)
			}
			var bucketKey *bool
			if e.BucketKey {
				bucketKey = aws.Bool(true)
			}
			switch p := in.Parameters.(type) {
			case *s3.PutObjectInput:
				p.ServerSideEncryption, p.SSEKMSKeyId, p.BucketKeyEnabled = types.ServerSideEncryption(e.Algorithm), key, bucketKey
			case *s3.CreateMultipartUploadInput:
				p.ServerSideEncryption, p.SSEKMSKeyId, p.BucketKeyEnabled = types.ServerSideEncryption(e.Algorithm), key, bucketKey
			}
			return next.HandleInitialize(ctx, in)
		}), middleware.Before)
}
