package integration

import (
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
)

// The account of all servers and fakes.
const (
	s3Region = "us-east-1"
	s3Access = "integration"
	s3Secret = "integration-secret"
)

func s3Config() aws.Config {
	return aws.Config{Region: s3Region, Credentials: credentials.NewStaticCredentialsProvider(s3Access, s3Secret, "")}
}
