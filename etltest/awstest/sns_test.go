package awstest_test

import (
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/stretchr/testify/require"

	"github.com/tidemark-data/etl/etltest/awstest"
)

func TestSNS(t *testing.T) {
	s := &awstest.SNS{}
	publish := func(subject, message string) error {
		_, err := s.Publish(t.Context(), &sns.PublishInput{TopicArn: aws.String("t"), Subject: &subject, Message: &message})
		return err
	}
	require.NoError(t, publish(strings.Repeat("s", 99), "m"))
	for _, subject := range []string{"", " s", "a\nb", "é", strings.Repeat("s", 100)} {
		require.Error(t, publish(subject, "m"), subject)
	}
	require.Error(t, publish("s", ""))
	require.Equal(t, []awstest.SNSMessage{{TopicARN: "t", Subject: strings.Repeat("s", 99), Message: "m"}}, s.Published())
}
