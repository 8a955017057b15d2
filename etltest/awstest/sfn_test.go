package awstest_test

import (
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sfn"
	"github.com/aws/aws-sdk-go-v2/service/sfn/types"
	"github.com/stretchr/testify/require"

	"github.com/tidemark-data/etl/etltest/awstest"
)

func TestSFN(t *testing.T) {
	s := &awstest.SFN{}
	s.Start("a")
	s.Start("b")
	beat := func(token string) error {
		_, err := s.SendTaskHeartbeat(t.Context(), &sfn.SendTaskHeartbeatInput{TaskToken: &token})
		return err
	}
	require.NoError(t, beat("a"))
	_, err := s.SendTaskSuccess(t.Context(), &sfn.SendTaskSuccessInput{TaskToken: aws.String("a"), Output: aws.String("{}")})
	require.NoError(t, err)
	require.Equal(t, awstest.SFNTask{Heartbeats: 1, Done: true, Output: "{}"}, s.Task("a"))
	var over *types.TaskTimedOut
	require.ErrorAs(t, beat("a"), &over)
	s.TimeOut("b")
	require.ErrorAs(t, beat("b"), &over)
	var unknown *types.InvalidToken
	require.ErrorAs(t, beat("c"), &unknown)
	for _, output := range []string{"{", `"` + strings.Repeat("x", 262_144) + `"`} {
		_, err = s.SendTaskSuccess(t.Context(), &sfn.SendTaskSuccessInput{TaskToken: aws.String("a"), Output: &output})
		var invalid *types.InvalidOutput
		require.ErrorAs(t, err, &invalid)
	}
}
