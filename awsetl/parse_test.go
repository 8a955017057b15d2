package awsetl

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const landed = "hr/people/LOAD00000001.csv"

func landedObject() object {
	return object{bucket: "raw", key: landed, sequencer: "0055AED6DCD90281E5"}
}

func bridgeObject() object {
	return object{bucket: "raw", key: "hr/people/a+b c%20d.csv", sequencer: "617f08299329d189"}
}

func messages(docs ...document) []message {
	out := make([]message, len(docs))
	for i, d := range docs {
		out[i] = message{id: fmt.Sprintf("m%d", i+1), doc: d}
	}
	return out
}

func told(events ...event) document { return document{events: events} }

// documents are what the files of testdata tell; nil is malformed.
func documents() map[string]*document {
	dms := TaskState{
		ARN:     "arn:aws:dms:us-east-1:111122223333:task:AAAABBBB0CCCCDDDDEEEEE1FFFF2GGG3FFFFFF3",
		EventID: "DMS-EVENT-0079", Type: "REPLICATION_TASK_STOPPED",
		Message: "Replication task has stopped. Stop Reason FULL_LOAD_ONLY_FINISHED.",
	}
	subscribed := TaskState{ARN: "people", EventID: "DMS-EVENT-0079", Message: "Replication task has stopped. Stop Reason STOPPED_AFTER_FULL_LOAD."}
	fifo := messages(told(bridgeObject()), told(command{Wake: names{"hr.people", "hr.teams"}}))
	fifo[0].group, fifo[1].group = "a", "b"
	batch := func(m []message) *document { return &document{queue: true, batch: m} }
	of := func(events ...event) *document { return &document{events: events} }
	return map[string]*document{
		"s3-created": of(landedObject()),
		"s3-several": of(
			object{bucket: "raw", key: "hr/people/café + 1.csv", sequencer: "0055AED6DCD90281E5"},
			object{bucket: "raw", key: "hr/people/old.csv", sequencer: "0055AED6DCD90281E6", removed: true}),
		"s3-test-event":              of(testEvent{}),
		"eventbridge-s3-created":     of(bridgeObject()),
		"eventbridge-s3-deleted":     of(object{bucket: "raw", key: "hr/people/gone.csv", sequencer: "617f0837b476e463", removed: true}),
		"eventbridge-s3-acl":         of(),
		"eventbridge-schedule":       of(reconcile{}),
		"eventbridge-scheduler":      of(reconcile{}),
		"eventbridge-dms":            of(dms),
		"eventbridge-glue":           of(JobState{Service: "glue", Name: "merge", Run: "jr_abcdef0123456789", State: "SUCCEEDED"}),
		"eventbridge-emr-serverless": of(JobState{Service: "emr-serverless", Name: "00fbs7iu4k4uer09", Run: "00fbs7lbdqg1v109", State: "RUNNING"}),
		"eventbridge-emr-step":       of(JobState{Service: "emr", Name: "j-123456789ABCD", Run: "s-ZYXWVUTSRQPON", State: "FAILED"}),
		"eventbridge-other":          nil,
		"sns-s3":                     of(landedObject()),
		"sns-dms-subscription":       of(subscribed),
		"sqs-s3":                     batch(messages(told(landedObject()), told(testEvent{}))),
		"sqs-sns-s3":                 batch(messages(told(landedObject()))),
		"sqs-eventbridge":            batch(messages(told(bridgeObject()))),
		"sqs-sns-eventbridge":        batch(messages(told(bridgeObject()))),
		"sqs-poisoned":               batch(messages(document{}, document{events: []event{command{Wake: names{"hr.people"}, Hops: 3}}, token: "t1"}, document{})),
		"sqs-fifo":                   {queue: true, fifo: true, batch: fifo},
		"command": {
			events: []event{command{Verb: "skip", Table: "hr.people", Locations: []string{"hr/people/a.csv"}}},
			token:  "AAAAKgAAAAIAAAAAAAAAAV", direct: true,
		},
		"apigateway":      nil,
		"dynamodb-stream": nil,
	}
}

func TestParse(t *testing.T) {
	want := documents()
	files, err := filepath.Glob("testdata/*.json")
	require.NoError(t, err)
	require.Len(t, files, len(want))
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".json")
		t.Run(name, func(t *testing.T) {
			raw, err := os.ReadFile(file)
			require.NoError(t, err)
			doc, err := parse(raw)
			if want[name] == nil {
				require.ErrorIs(t, err, ErrMalformed)
				return
			}
			require.NoError(t, err)
			for i := range doc.batch {
				if name == "sqs-poisoned" && i != 1 {
					require.ErrorIs(t, doc.batch[i].err, ErrMalformed)
					doc.batch[i].err = nil
				}
			}
			require.Equal(t, *want[name], doc)
		})
	}
}

func TestMalformed(t *testing.T) {
	wrap := func(s string, n int) string {
		for range n {
			raw, _ := json.Marshal(map[string]string{"Type": "Notification", "Message": s})
			s = string(raw)
		}
		return s
	}
	good, err := os.ReadFile("testdata/s3-created.json")
	require.NoError(t, err)
	_, err = parse([]byte(wrap(string(good), maxNesting)))
	require.NoError(t, err)
	const secret = "4111-1111"
	for name, raw := range map[string]string{
		"not JSON":             secret,
		"a list":               `["` + secret + `"]`,
		"null":                 `null`,
		"other":                `{"` + secret + `":1}`,
		"records of texts":     `{"Records":["` + secret + `"]}`,
		"records no list":      `{"Records":{"a":1}}`,
		"bad escape":           `{"Records":[{"eventSource":"aws:s3","eventName":"ObjectCreated:Put","s3":{"bucket":{"name":"b"},"object":{"key":"%zz` + secret + `"}}}]}`,
		"no key":               `{"Records":[{"eventSource":"aws:s3","eventName":"ObjectCreated:Put","s3":{"bucket":{"name":"b"},"object":{}}}]}`,
		"mixed":                `{"Records":[{"eventSource":"aws:sqs","messageId":"1","body":"{}"},{"eventSource":"aws:s3","eventName":"ObjectCreated:Put","s3":{"bucket":{"name":"b"},"object":{"key":"k"}}}]}`,
		"mixed the other way":  `{"Records":[{"eventSource":"aws:s3","eventName":"ObjectCreated:Put","s3":{"bucket":{"name":"b"},"object":{"key":"k"}}},{"eventSource":"aws:sqs","messageId":"1","body":"{}"}]}`,
		"message without ID":   `{"Records":[{"eventSource":"aws:sqs","body":"{}"}]}`,
		"wrapped too often":    wrap(string(good), maxNesting+1),
		"misspelt field":       `{"tidemark":{"verb":"ingest","tabel":"` + secret + `"}}`,
		"command of a text":    `{"tidemark":"` + secret + `"}`,
		"neither verb or wake": `{"tidemark":{}}`,
		"wake of a number":     `{"tidemark":{"wake":7}}`,
		"unsubscribed":         `{"Type":"SubscriptionConfirmation","Message":"` + secret + `","TopicArn":"arn:aws:sns:x"}`,
		"DMS without task":     `{"detail-type":"DMS Replication Task State Change","source":"aws.dms","detail":{}}`,
		"Glue without state":   `{"detail-type":"Glue Job State Change","source":"aws.glue","detail":{}}`,
		"S3 without key":       `{"detail-type":"Object Created","source":"aws.s3","detail":{"bucket":{"name":"b"}}}`,
		"many records":         `{"Records":[` + strings.Repeat("{},", maxRecords) + `{}]}`,
		"long":                 strings.Repeat(" ", maxDocument) + `{}`,
	} {
		t.Run(name, func(t *testing.T) {
			_, err := parse([]byte(raw))
			require.ErrorIs(t, err, ErrMalformed)
			require.NotContains(t, err.Error(), secret)
		})
	}
}

func TestSequencers(t *testing.T) {
	require.True(t, laterSequencer("0055AED6DCD90281E6", "0055aed6dcd90281e5"))
	require.False(t, laterSequencer("0055AED6", "0055aed600"), "padded with zeros they are equal")
	require.True(t, laterSequencer("0056", "0055AED6DCD90281E5"), "it is not the length that counts")
	put, gone := object{bucket: "b", key: "k", sequencer: "02"}, object{bucket: "b", key: "k", sequencer: "03", removed: true}
	other := object{bucket: "b", key: "l", sequencer: "01"}
	require.Equal(t, []object{gone, other}, newest([]object{gone, put, other}))
	require.Equal(t, []object{gone, other}, newest([]object{put, other, gone}))
}

func TestWakeIsParsedBack(t *testing.T) {
	for _, w := range []Wake{{Tables: []string{"a.b"}, Hops: 2}, {Tables: []string{"a.b", "c.d"}, TaskToken: "t"}} {
		raw, err := json.Marshal(w)
		require.NoError(t, err)
		doc, err := parse(raw)
		require.NoError(t, err)
		require.Equal(t, document{events: []event{command{Wake: w.Tables, Hops: w.Hops}}, direct: true, token: w.TaskToken}, doc)
	}
	raw, err := json.Marshal(Wake{Tables: []string{"a.b"}})
	require.NoError(t, err)
	require.JSONEq(t, `{"tidemark":{"wake":"a.b"}}`, string(raw))
}

func FuzzParse(f *testing.F) {
	files, err := filepath.Glob("testdata/*.json")
	require.NoError(f, err)
	for _, file := range files {
		raw, err := os.ReadFile(file)
		require.NoError(f, err)
		f.Add(raw)
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		doc, err := parse(raw)
		if err != nil {
			require.ErrorIs(t, err, ErrMalformed)
			return
		}
		require.True(t, doc.queue || len(doc.batch) == 0)
		require.False(t, doc.queue && len(doc.events) > 0)
		for _, m := range doc.batch {
			require.NotEmpty(t, m.id)
			require.False(t, m.doc.queue)
		}
	})
}
