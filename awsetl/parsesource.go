package awsetl

import (
	"encoding/json"
	"net/url"
	"strings"
)

// notification is a record of an S3 event notification, as far as it matters.
type notification struct {
	EventName string `json:"eventName"`
	S3        struct {
		Bucket struct {
			Name string `json:"name"`
		} `json:"bucket"`
		Object struct {
			Key       string `json:"key"`
			Sequencer string `json:"sequencer"`
		} `json:"object"`
	} `json:"s3"`
}

func parseNotification(doc *document, raw json.RawMessage) error {
	var n notification
	if json.Unmarshal(raw, &n) != nil {
		return malformed("S3: fields of other types")
	}
	name := strings.TrimPrefix(n.EventName, "s3:")
	created := strings.HasPrefix(name, "ObjectCreated:") || name == "ObjectRestore:Completed"
	removed := strings.HasPrefix(name, "ObjectRemoved:") || strings.HasPrefix(name, "LifecycleExpiration:")
	if !created && !removed {
		return nil // tags, access, replication: nothing landed
	}
	// Notifications encode keys as forms do; EventBridge does not.
	key, err := url.QueryUnescape(n.S3.Object.Key)
	if err != nil || key == "" || n.S3.Bucket.Name == "" {
		return malformed("S3: no bucket, or no key that can be decoded")
	}
	doc.events = append(doc.events, object{
		bucket: n.S3.Bucket.Name, key: key,
		sequencer: n.S3.Object.Sequencer, removed: removed,
	})
	return nil
}

// parseBridge reads an EventBridge event. Those of a known source that tell
// nothing of interest yield none.
func parseBridge(f fields) ([]event, error) {
	kind := f.text("detail-type")
	if kind == "Scheduled Event" {
		return []event{reconcile{}}, nil
	}
	switch f.text("source") {
	case "aws.s3":
		return parseBridgeObject(kind, f["detail"])
	case "aws.dms":
		return one(parseTask(f))
	case "aws.glue", "aws.emr-serverless", "aws.emr":
		return parseJob(strings.TrimPrefix(f.text("source"), "aws."), kind, f["detail"])
	}
	return nil, malformed("an EventBridge event that is neither a schedule's nor one of S3, DMS, Glue, EMR and EMR Serverless")
}

func parseBridgeObject(kind string, detail json.RawMessage) ([]event, error) {
	var d struct {
		Bucket struct {
			Name string `json:"name"`
		} `json:"bucket"`
		Object struct {
			Key       string `json:"key"`
			Sequencer string `json:"sequencer"`
		} `json:"object"`
	}
	switch kind {
	case "Object Created", "Object Restore Completed", "Object Deleted":
	default:
		return nil, nil
	}
	if json.Unmarshal(detail, &d) != nil || d.Bucket.Name == "" || d.Object.Key == "" {
		return nil, malformed("S3 through EventBridge: no bucket or no key")
	}
	return []event{object{
		bucket: d.Bucket.Name, key: d.Object.Key,
		sequencer: d.Object.Sequencer, removed: kind == "Object Deleted",
	}}, nil
}

// parseTask reads a change of state of a DMS task (AWS DMS User Guide, "Working
// with Amazon EventBridge events").
func parseTask(f fields) (event, error) {
	var d struct {
		EventID   string `json:"eventId"`
		EventType string `json:"eventType"`
		Message   string `json:"detailMessage"`
	}
	var resources []string
	if json.Unmarshal(f["detail"], &d) != nil || json.Unmarshal(f["resources"], &resources) != nil || len(resources) == 0 {
		return nil, malformed("DMS: no task")
	}
	return TaskState{ARN: resources[0], EventID: d.EventID, Type: d.EventType, Message: d.Message}, nil
}

// parseSubscription reads what DMS sends to SNS by its own event subscriptions,
// which name the task instead of its ARN.
func parseSubscription(f fields) (event, error) {
	id := f.text("Event ID")
	t := TaskState{ARN: f.text("SourceId"), EventID: id[strings.LastIndexByte(id, '#')+1:], Message: f.text("Event Message")}
	if f.text("Event Source") != "replication-task" || t.ARN == "" {
		return nil, malformed("a service's event subscription, but not of a DMS task")
	}
	return t, nil
}

func parseJob(service, kind string, detail json.RawMessage) ([]event, error) {
	var d struct {
		State       string `json:"state"`
		JobName     string `json:"jobName"`
		JobRunID    string `json:"jobRunId"`
		Application string `json:"applicationId"`
		Cluster     string `json:"clusterId"`
		Step        string `json:"stepId"`
	}
	switch kind {
	case "Glue Job State Change", "EMR Serverless Job Run State Change", "EMR Step Status Change", "EMR Cluster State Change":
	default:
		return nil, nil
	}
	if json.Unmarshal(detail, &d) != nil || d.State == "" {
		return nil, malformed("%s: no state", service)
	}
	return []event{JobState{
		Service: service, Name: d.JobName + d.Application + d.Cluster, Run: d.JobRunID + d.Step, State: d.State,
	}}, nil
}
