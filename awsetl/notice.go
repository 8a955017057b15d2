package awsetl

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge/types"
	"github.com/aws/aws-sdk-go-v2/service/sns"

	"github.com/tidemark-data/etl"
)

// The kinds of notices. They are the detail types of EventBridge.
const (
	NoticePaused  = "Table Paused"
	NoticeApplied = "Load Applied"
	NoticeGaveUp  = "Table Not Woken"
	NoticeForeign = "Foreign Bucket"
)

// Notice is something that people, or other systems, want to hear of. It holds
// no cell values.
type Notice struct {
	Kind  string    `json:"kind"`
	At    time.Time `json:"at"`
	Table string    `json:"table,omitempty"`
	Text  string    `json:"text"`
	// Diagnosis is why a table was paused.
	Diagnosis *etl.Diagnosis `json:"diagnosis,omitempty"`
	// Load is the load that was applied.
	Load *LoadAnswer `json:"load,omitempty"`
	// Commands are those to type next.
	Commands []string `json:"commands,omitempty"`
}

// Notifier sends notices. Implementations are safe for concurrent use, and
// choose the kinds that they send.
type Notifier interface {
	Notify(ctx context.Context, n Notice) error
}

// SNSClient is what of the client of aws-sdk-go-v2/service/sns an [SNSNotifier] needs.
type SNSClient interface {
	Publish(context.Context, *sns.PublishInput, ...func(*sns.Options)) (*sns.PublishOutput, error)
}

// SNSNotifier publishes to a topic, for people: everything but loads applied.
type SNSNotifier struct {
	Client   SNSClient
	TopicARN string
}

// BridgeClient is what of the client of aws-sdk-go-v2/service/eventbridge a
// [BridgeNotifier] needs.
type BridgeClient interface {
	PutEvents(context.Context, *eventbridge.PutEventsInput, ...func(*eventbridge.Options)) (*eventbridge.PutEventsOutput, error)
}

// BridgeNotifier puts notices on an event bus, with the source "tidemark" and
// the notice's kind as detail type.
type BridgeNotifier struct {
	Client BridgeClient
	// Bus is the name or ARN; empty is the account's default bus.
	Bus string
	// Loads says that loads applied are sent too.
	Loads bool
}

var (
	_ Notifier     = (*SNSNotifier)(nil)
	_ Notifier     = (*BridgeNotifier)(nil)
	_ SNSClient    = (*sns.Client)(nil)
	_ BridgeClient = (*eventbridge.Client)(nil)
)

// Limits of Publish (Amazon SNS API Reference) and of what a diagnosis may take of them.
const (
	maxSubject = 99
	maxText    = 16 << 10
)

// Notify implements [Notifier].
func (s *SNSNotifier) Notify(ctx context.Context, n Notice) error {
	if n.Kind == NoticeApplied {
		return nil
	}
	_, err := s.Client.Publish(ctx, &sns.PublishInput{
		TopicArn: &s.TopicARN, Subject: aws.String(subject(n)), Message: aws.String(n.letter()),
	})
	return err
}

// subject is ASCII without control characters, and starts with a letter.
func subject(n Notice) string {
	s := "Tidemark: " + strings.ToLower(n.Kind)
	if n.Table != "" {
		s += ": " + n.Table
	}
	s = strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' {
			return '?'
		}
		return r
	}, s)
	return s[:min(len(s), maxSubject)]
}

// letter is the notice as people read it.
func (n Notice) letter() string {
	var b strings.Builder
	line := func(name, value string) {
		if value != "" {
			fmt.Fprintf(&b, "%-8s %s\n", name+":", plain(value))
		}
	}
	line("What", n.Kind)
	line("Table", n.Table)
	line("Time", n.At.UTC().Format(time.RFC3339))
	if d := n.Diagnosis; d != nil {
		line("Load", d.LoadID)
		line("File", d.File)
		if d.Row > 0 {
			line("Row", strconv.FormatInt(d.Row, 10))
		}
		line("Column", d.Column)
		line("Rule", d.Rule)
	}
	line("Cause", n.Text)
	if len(n.Commands) > 0 {
		b.WriteString("\nNext:\n")
		for _, c := range n.Commands {
			b.WriteString("  " + c + "\n")
		}
	}
	return b.String()
}

// plain keeps a hostile name from forging lines.
func plain(s string) string {
	s = clipText(s)
	for _, r := range s {
		if !strconv.IsPrint(r) {
			return strconv.Quote(s)
		}
	}
	return s
}

func clipText(s string) string {
	if len(s) > maxText {
		s = strings.ToValidUTF8(s[:maxText], "") + "..."
	}
	return s
}

// Notify implements [Notifier].
func (b *BridgeNotifier) Notify(ctx context.Context, n Notice) error {
	if n.Kind == NoticeApplied && !b.Loads {
		return nil
	}
	detail, err := json.Marshal(n)
	if err != nil {
		return err
	}
	entry := types.PutEventsRequestEntry{
		Source: aws.String("tidemark"), DetailType: &n.Kind, Detail: aws.String(string(detail)), Time: &n.At,
	}
	if b.Bus != "" {
		entry.EventBusName = &b.Bus
	}
	out, err := b.Client.PutEvents(ctx, &eventbridge.PutEventsInput{Entries: []types.PutEventsRequestEntry{entry}})
	if err == nil && out.FailedEntryCount > 0 {
		err = errors.New("EventBridge did not take the event")
		if len(out.Entries) > 0 {
			err = fmt.Errorf("%w: %s", err, aws.ToString(out.Entries[0].ErrorCode))
		}
	}
	return err
}

// observer keeps as notices what happens.
func (h *Handler) observer() etl.Observer {
	return etl.Observer{
		Paused: func(table string, d etl.Diagnosis) { h.notify(pausedNotice(table, d)) },
		LoadApplied: func(l etl.Load, r etl.Receipt, took time.Duration) {
			load := newLoadAnswer(etl.AppliedLoad{Load: l, Receipt: r, Took: took})
			h.notify(Notice{Kind: NoticeApplied, Table: l.Table, Text: l.Kind.String() + " load applied", Load: &load})
		},
	}
}

func pausedNotice(table string, d etl.Diagnosis) Notice {
	d.Cause = clipText(d.Cause)
	n := Notice{Kind: NoticePaused, Table: table, Text: d.Cause, Diagnosis: &d}
	for _, verb := range []string{"status", "retry", "skip", "reload"} {
		n.Commands = append(n.Commands, fmt.Sprintf("tidemark %-6s %s", verb, table))
	}
	payload, err := json.Marshal(map[string]any{"tidemark": map[string]string{"verb": "retry", "table": table}})
	if err == nil {
		n.Commands = append(n.Commands, "or invoke the function with "+string(payload))
	}
	return n
}

// notify keeps a notice until it is sent, at the end of the invocation.
func (h *Handler) notify(n Notice) {
	if len(h.parts.Notifiers) == 0 {
		return
	}
	n.At = time.Now()
	h.mu.Lock()
	defer h.mu.Unlock()
	h.notices = append(h.notices, n)
}

// sendNotices sends what has been noticed up to now, by this invocation and by
// others of the process. A notice that cannot be sent is logged.
func (h *Handler) sendNotices(ctx context.Context) {
	h.sending.Lock() // one that another invocation has taken is sent when we go on
	defer h.sending.Unlock()
	h.mu.Lock()
	notices := h.notices
	h.notices = nil
	h.mu.Unlock()
	for _, n := range notices {
		for _, to := range h.parts.Notifiers {
			if err := to.Notify(ctx, n); err != nil {
				h.log.Error("notice not sent", "kind", n.Kind, "table", n.Table, "error", err)
			}
		}
	}
}

// maxWarned bounds what is remembered of warnings.
const maxWarned = 1000

// first reports whether there was no such warning yet in the life of the process.
func (h *Handler) first(warning string) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.warned[warning] {
		return false
	}
	if len(h.warned) < maxWarned {
		h.warned[warning] = true
	}
	return true
}

func (h *Handler) warnForeign(bucket string) {
	bucket = clip(bucket)
	if !h.first("bucket " + bucket) {
		return
	}
	h.log.Warn("event of a bucket that is not the landing bucket", "bucket", bucket)
	h.notify(Notice{Kind: NoticeForeign, Text: "events come from bucket " + plain(bucket) + ", which is not the landing bucket; they are passed over"})
}
