package integration

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/url"
	"sync"

	"github.com/aws/aws-lambda-go/events"
)

// schedule is what EventBridge sends at a fixed rate.
const schedule = `{"version":"0","id":"17793124-05d4-b198-2fde-7ededc63b103","detail-type":"Scheduled Event","source":"aws.events",` +
	`"account":"111122223333","time":"2024-02-20T11:00:00Z","region":"us-east-1","resources":["arn:aws:events:us-east-1:111122223333:rule/reconcile"],"detail":{}}`

// notification is what S3 sends of objects, to a function, a queue or a topic.
func notification(keys ...string) string {
	var e events.S3Event
	for _, key := range keys {
		e.Records = append(e.Records, events.S3EventRecord{
			EventVersion: "2.1", EventSource: "aws:s3", AWSRegion: s3Region, EventName: "ObjectCreated:Put",
			S3: events.S3Entity{
				SchemaVersion: "1.0", ConfigurationID: "landing", Bucket: events.S3Bucket{Name: landingBucket, Arn: "arn:aws:s3:::" + landingBucket},
				Object: events.S3Object{Key: url.QueryEscape(key), Size: 1024, ETag: "d41d8cd98f00b204e9800998ecf8427e", Sequencer: "0055AED6DCD90281E5"},
			},
		})
	}
	return document(e)
}

// bridged is what S3 sends through EventBridge.
func bridged(key string) string {
	return document(map[string]any{
		"version": "0", "id": "17793124-05d4-b198-2fde-7ededc63b103", "detail-type": "Object Created", "source": "aws.s3",
		"account": "111122223333", "time": "2024-02-20T11:00:00Z", "region": s3Region, "resources": []string{"arn:aws:s3:::" + landingBucket},
		"detail": map[string]any{
			"version": "0", "bucket": map[string]any{"name": landingBucket}, "reason": "PutObject",
			"object": map[string]any{"key": key, "size": 5, "etag": "b1946ac92492d2347c6235b4d2611184", "sequencer": "617f08299329d189"},
		},
	})
}

// toQueue is a document as SNS puts it into a queue, without raw delivery.
func toQueue(message string) string {
	return document(map[string]string{
		"Type": "Notification", "MessageId": "63a3f6b6-d533-4a47-aef9-fcf5cf758c76", "TopicArn": "arn:aws:sns:us-east-1:111122223333:landed",
		"Subject": "Amazon S3 Notification", "Message": message, "Timestamp": "2024-02-20T11:00:00.000Z", "SignatureVersion": "1",
	})
}

// toFunction is a document as SNS hands it to a function.
func toFunction(message string) string {
	return document(events.SNSEvent{Records: []events.SNSEventRecord{{
		EventVersion: "1.0", EventSource: "aws:sns", EventSubscriptionArn: "arn:aws:sns:us-east-1:111122223333:landed:2bcfbf39",
		SNS: events.SNSEntity{Type: "Notification", MessageID: "95df01b4-ee98-5cb9-9903-4c221d41eb5e", Message: message},
	}}})
}

func document(v any) string {
	raw, err := json.Marshal(v)
	if err != nil {
		panic(err) // of values made above
	}
	return string(raw)
}

// parcel is what one invocation is handed: a document, or messages of a queue.
type parcel struct {
	document string
	queue    string // of the messages; empty is none
	messages []events.SQSMessage
}

func (p parcel) event() json.RawMessage {
	if p.queue == "" {
		return json.RawMessage(p.document)
	}
	return json.RawMessage(document(events.SQSEvent{Records: p.messages}))
}

// mail is what was sent and not yet delivered: in no order, some of it twice,
// some of it lost. It is safe for concurrent use.
type mail struct {
	mu      sync.Mutex
	random  *rand.Rand
	parcels []parcel
	serial  int

	sent, doubled, lost int
	shapes              map[string]int
}

const (
	landedQueue = "landed"
	landedFIFO  = "landed.fifo"
)

func (m *mail) message(body, group string) events.SQSMessage {
	m.serial++
	queue := landedQueue
	attributes := map[string]string{"ApproximateReceiveCount": "1"}
	if group != "" {
		queue, attributes["MessageGroupId"] = landedFIFO, group
	}
	return events.SQSMessage{
		MessageId: fmt.Sprint("message-", m.serial), Body: body, EventSource: "aws:sqs", AWSRegion: s3Region,
		EventSourceARN: "arn:aws:sqs:us-east-1:111122223333:" + queue, Attributes: attributes,
	}
}

// tell sends the event of an object in one of all shapes; one in twenty is lost,
// three in ten come twice, in different shapes.
func (m *mail) tell(key, table string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.sent++
	if m.random.IntN(20) == 0 {
		m.lost++
		return
	}
	m.shape(key, table)
	if m.random.IntN(10) < 3 {
		m.doubled++
		m.shape(key, table)
	}
}

func (m *mail) shape(key, table string) {
	shapes := []struct{ name, group, queued, direct string }{
		{name: "S3", direct: notification(key)},
		{name: "S3, same object twice", direct: notification(key, key)},
		{name: "EventBridge", direct: bridged(key)},
		{name: "SNS", direct: toFunction(notification(key))},
		{name: "SQS of S3", queued: notification(key)},
		{name: "SQS of EventBridge", queued: bridged(key)},
		{name: "SQS of SNS of S3", queued: toQueue(notification(key))},
		{name: "SQS of SNS of EventBridge", queued: toQueue(bridged(key))},
		{name: "FIFO of EventBridge", group: table, queued: bridged(key)},
	}
	s := shapes[m.random.IntN(len(shapes))]
	m.shapes[s.name]++
	if s.direct != "" {
		m.parcels = append(m.parcels, parcel{document: s.direct})
		return
	}
	m.enqueue(m.message(s.queued, s.group))
}

// enqueue puts a message into a batch of its queue that is not full.
func (m *mail) enqueue(message events.SQSMessage) {
	queue := message.EventSourceARN
	for range 3 {
		if len(m.parcels) == 0 {
			break
		}
		if p := &m.parcels[m.random.IntN(len(m.parcels))]; p.queue == queue && len(p.messages) < 10 {
			p.messages = append(p.messages, message)
			return
		}
	}
	m.parcels = append(m.parcels, parcel{queue: queue, messages: []events.SQSMessage{message}})
}

// take returns any parcel, or none.
func (m *mail) take() (parcel, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.parcels) == 0 {
		return parcel{}, false
	}
	i, last := m.random.IntN(len(m.parcels)), len(m.parcels)-1
	p := m.parcels[i]
	m.parcels[i] = m.parcels[last]
	m.parcels = m.parcels[:last]
	return p, true
}

// again gives back a parcel that was not answered.
func (m *mail) again(p parcel) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.parcels = append(m.parcels, p)
}

func (m *mail) waiting() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return len(m.parcels)
}
