package awsetl

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/aws/aws-lambda-go/events"
)

// Limits of a document. Lambda's own is 6 MB for a synchronous invocation, a
// batch of SQS has at most 10,000 messages, and events are wrapped twice: in SNS
// and in SQS.
const (
	maxDocument = 8 << 20
	maxRecords  = 10_000
	maxNesting  = 4
)

// ErrMalformed says that a document is none that the handler knows. Its text
// says what is wrong, never what the document holds.
var ErrMalformed = errors.New("malformed event")

func malformed(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrMalformed, fmt.Sprintf(format, args...))
}

// parse reads a document. Documents inside the messages of a batch fail one by one.
func parse(raw []byte) (document, error) {
	p := parser{left: maxRecords}
	return p.document(raw, 0)
}

type parser struct {
	left int // records that may still come
}

type fields map[string]json.RawMessage

// text returns a field that is a string, else "".
func (f fields) text(name string) string {
	var s string
	if json.Unmarshal(f[name], &s) != nil {
		return ""
	}
	return s
}

func (p *parser) document(raw []byte, depth int) (doc document, err error) {
	if len(raw) > maxDocument {
		return doc, malformed("longer than %d bytes", maxDocument)
	}
	if depth > maxNesting {
		return doc, malformed("wrapped more than %d times", maxNesting)
	}
	var f fields
	if json.Unmarshal(raw, &f) != nil || f == nil {
		return doc, malformed("not a JSON object")
	}
	switch {
	case f["Records"] != nil:
		doc, err = p.records(f["Records"], depth)
	case f["tidemark"] != nil:
		doc.direct = depth == 0
		doc.events, err = one(parseCommand(f["tidemark"]))
	case f["detail-type"] != nil:
		doc.events, err = parseBridge(f)
	case f["Message"] != nil && f["Type"] != nil:
		doc, err = p.wrapped(f, depth)
	case f.text("Event") == "s3:TestEvent":
		doc.events = []event{testEvent{}}
	case f["Event Source"] != nil && f["Event ID"] != nil:
		doc.events, err = one(parseSubscription(f))
	default:
		err = malformed("neither an S3 notification, nor an EventBridge event, nor an SQS batch, nor an SNS notification, nor a tidemark command")
	}
	if token := f.text("taskToken"); token != "" {
		doc.token = token
	}
	return doc, err
}

func one(e event, err error) ([]event, error) {
	if err != nil {
		return nil, err
	}
	return []event{e}, nil
}

func parseCommand(raw json.RawMessage) (event, error) {
	var c command
	d := json.NewDecoder(bytes.NewReader(raw))
	d.DisallowUnknownFields() // a table misspelt must not become all tables
	if err := d.Decode(&c); err != nil {
		return nil, malformed("tidemark: not a command with a verb and its known fields, of their types")
	}
	if c.Verb == "" && len(c.Wake) == 0 {
		return nil, malformed("tidemark: neither verb nor wake")
	}
	return c, nil
}

// wrapped reads what SNS wraps where a queue is subscribed without raw delivery.
func (p *parser) wrapped(f fields, depth int) (document, error) {
	if f.text("Type") != "Notification" {
		return document{}, malformed("SNS: not a notification")
	}
	return p.inner(f.text("Message"), depth)
}

// inner reads a document that is text in another one.
func (p *parser) inner(text string, depth int) (document, error) {
	doc, err := p.document([]byte(text), depth+1)
	if err == nil && doc.queue {
		return document{}, malformed("an SQS batch inside another document")
	}
	return doc, err
}

func (p *parser) records(raw json.RawMessage, depth int) (doc document, err error) {
	var list []json.RawMessage
	if json.Unmarshal(raw, &list) != nil {
		return doc, malformed("Records is not a list")
	}
	if p.left -= len(list); p.left < 0 {
		return doc, malformed("more than %d records", maxRecords)
	}
	for i, r := range list {
		if err := p.record(&doc, r, depth); err != nil {
			return document{}, err
		}
		if doc.queue && i+1 != len(doc.batch) {
			return document{}, malformed("SQS messages among other records")
		}
	}
	return doc, nil
}

func (p *parser) record(doc *document, raw json.RawMessage, depth int) error {
	var f fields
	if json.Unmarshal(raw, &f) != nil {
		return malformed("a record is not a JSON object")
	}
	source := f.text("eventSource") + f.text("EventSource")
	switch {
	case source == "aws:sqs":
		return p.message(doc, raw, depth)
	case source == "aws:sns":
		var r events.SNSEventRecord
		if json.Unmarshal(raw, &r) != nil {
			return malformed("SNS: fields of other types")
		}
		inner, err := p.inner(r.SNS.Message, depth)
		doc.events = append(doc.events, inner.events...)
		if inner.token != "" {
			doc.token = inner.token
		}
		return err
	case strings.HasSuffix(source, ":s3"): // aws, and stores that speak its language
		return parseNotification(doc, raw)
	}
	return malformed("records of another service than S3, SNS and SQS")
}

func (p *parser) message(doc *document, raw json.RawMessage, depth int) error {
	var r events.SQSMessage
	if json.Unmarshal(raw, &r) != nil || r.MessageId == "" {
		return malformed("SQS: a message without ID, or with fields of other types")
	}
	doc.queue = true
	// Standard queues have groups too, but no order in them.
	doc.fifo = doc.fifo || strings.HasSuffix(r.EventSourceARN, ".fifo")
	m := message{id: r.MessageId, group: r.Attributes["MessageGroupId"]}
	m.doc, m.err = p.inner(r.Body, depth)
	doc.batch = append(doc.batch, m)
	return nil
}
