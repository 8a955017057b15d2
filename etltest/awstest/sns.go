package awstest

import (
	"context"
	"strconv"
	"strings"
	"sync"

	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/aws/aws-sdk-go-v2/service/sns/types"
)

// SNS is an in-memory Amazon SNS that keeps what is published. The exported
// fields must not be changed while calls are under way. It is safe for
// concurrent use.
type SNS struct {
	// Fail, if not nil, may fail a call before its effect.
	Fail func() error

	mu        sync.Mutex
	published []SNSMessage
}

// SNSMessage is a message that was published.
type SNSMessage struct{ TopicARN, Subject, Message string }

// Publish is that of the SDK's client. It refuses what the service refuses of
// subjects and sizes (Amazon SNS API Reference, Publish).
func (s *SNS) Publish(ctx context.Context, in *sns.PublishInput, _ ...func(*sns.Options)) (*sns.PublishOutput, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if s.Fail != nil {
		if err := s.Fail(); err != nil {
			return nil, err
		}
	}
	m := SNSMessage{deref(in.TopicArn), deref(in.Subject), deref(in.Message)}
	switch {
	case m.TopicARN == "":
		return nil, &types.NotFoundException{Message: ptr("Topic does not exist")}
	case in.Subject != nil && !snsSubject(m.Subject):
		return nil, &types.InvalidParameterException{Message: ptr("Invalid parameter: Subject")}
	case m.Message == "" || len(m.Message) > 256<<10:
		return nil, &types.InvalidParameterException{Message: ptr("Invalid parameter: Message")}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.published = append(s.published, m)
	return &sns.PublishOutput{MessageId: ptr("message-" + strconv.Itoa(len(s.published)))}, nil
}

func snsSubject(s string) bool {
	other := func(r rune) bool { return r < ' ' || r > '~' }
	return s != "" && len(s) < 100 && s[0] != ' ' && !strings.ContainsFunc(s, other)
}

// Published returns what was published, oldest first.
func (s *SNS) Published() []SNSMessage {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]SNSMessage{}, s.published...)
}
