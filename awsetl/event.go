package awsetl

import (
	"encoding/json"
	"errors"
	"slices"
	"strings"
)

// document is what one JSON document tells: events, or a batch of a queue's
// messages, each with a document of its own.
type document struct {
	events []event
	batch  []message
	queue  bool // it is a batch, maybe an empty one
	fifo   bool
	direct bool // it is a command that is not wrapped in anything
	// token is that of the Step Functions task which waits for the outcome.
	token string
}

// message is one message of a queue.
type message struct {
	id, group string
	doc       document
	err       error
}

// event is one of object, testEvent, reconcile, TaskState, JobState and command.
type event interface{ isEvent() }

// object was created in or removed from a bucket. What an event tells of its
// content is not kept: the bucket is asked.
type object struct {
	bucket, key string
	sequencer   string
	removed     bool
}

// testEvent is what S3 sends when notifications are set up.
type testEvent struct{}

// reconcile asks for the listing to be compared with the ledger.
type reconcile struct{}

// TaskState is a change of state of a DMS task.
type TaskState struct {
	// ARN is the task's; where the event names it otherwise, its name.
	ARN string
	// EventID is DMS's, such as DMS-EVENT-0079; Type such as REPLICATION_TASK_STOPPED.
	EventID, Type string
	// Message is the event's text. It holds the stop reason.
	Message string
}

// JobState is a change of state of a job on a distributed engine.
type JobState struct {
	// Service is glue, emr-serverless or emr.
	Service string
	// Name is the Glue job, the EMR Serverless application or the EMR cluster.
	Name string
	// Run is the job run or step.
	Run string
	// State is the service's word for it.
	State string
}

// Final reports whether the job will not change its state again.
func (j JobState) Final() bool {
	return slices.Contains([]string{
		"SUCCEEDED", "FAILED", "STOPPED", "TIMEOUT", "ERROR", "EXPIRED", // Glue
		"SUCCESS", "CANCELLED", // EMR Serverless
		"COMPLETED", "INTERRUPTED", "TERMINATED", "TERMINATED_WITH_ERRORS", // EMR
	}, strings.ToUpper(j.State))
}

// command is a call of an operator, or a wake-up of the handler's own.
type command struct {
	Verb      string   `json:"verb"`
	Table     string   `json:"table"`
	Locations []string `json:"locations"`
	Location  string   `json:"location"`
	Reason    string   `json:"reason"`
	Flag      string   `json:"flag"`
	Kind      string   `json:"kind"`
	Order     string   `json:"order"`
	Limit     int      `json:"limit"`
	DryRun    bool     `json:"dry_run"`
	Wake      names    `json:"wake"`
	Hops      int      `json:"hops"`
}

func (object) isEvent()    {}
func (testEvent) isEvent() {}
func (reconcile) isEvent() {}
func (TaskState) isEvent() {}
func (JobState) isEvent()  {}
func (command) isEvent()   {}

// names is a name or a list of names.
type names []string

func (n *names) UnmarshalJSON(raw []byte) error {
	var one string
	if json.Unmarshal(raw, &one) == nil {
		*n = names{one}
		return nil
	}
	var list []string
	if json.Unmarshal(raw, &list) != nil {
		return errors.New("wake is the name of a table, or a list of names")
	}
	*n = list
	return nil
}

func (n names) MarshalJSON() ([]byte, error) {
	if len(n) == 1 {
		return json.Marshal(n[0])
	}
	return json.Marshal([]string(n))
}

// laterSequencer reports whether event a came after event b of the same key. The
// shorter sequencer is padded with zeros on the right (Amazon S3 User Guide,
// "Event message structure").
func laterSequencer(a, b string) bool {
	trim := func(s string) string { return strings.TrimRight(strings.ToLower(s), "0") }
	return trim(a) > trim(b)
}

// newest leaves the last event of each key.
func newest(objects []object) []object {
	at := map[[2]string]int{}
	var out []object
	for _, o := range objects {
		id := [2]string{o.bucket, o.key}
		i, known := at[id]
		switch {
		case !known:
			at[id] = len(out)
			out = append(out, o)
		case !laterSequencer(out[i].sequencer, o.sequencer):
			out[i] = o
		}
	}
	return out
}
