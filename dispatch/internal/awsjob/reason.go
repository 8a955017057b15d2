package awsjob

import (
	"regexp"
	"strings"
)

// Of what an engine says of a job only what is listed here is kept: Spark's
// messages may quote rows.
var (
	// Categories of AWS Glue, as in "Error Category: PERMISSION_ERROR; ...".
	category = regexp.MustCompile(`^Error Category: ([A-Z]+(?:_[A-Z]+)*_ERROR)\b`)
	// lead is what stands before the class of an exception.
	lead = regexp.MustCompile(`^(?:Error Category: [A-Z_]+; |Failed Line Number: [0-9]+; |JobRun failed due to )+`)
	// A class at the very beginning, as "org.apache.spark.SparkException: ...".
	class    = regexp.MustCompile(`^(?:[a-z][a-z0-9_]*\.){0,8}[A-Z][A-Za-z0-9]{0,60}(?:Exception|Error)(?::|$)`)
	exitCode = regexp.MustCompile(`(?i)\bexit ?code:? ?([0-9]{1,3})\b`)
)

// phrases are texts of the engines, in lower case, with what is said of them.
var phrases = []struct{ has, says string }{
	{"outofmemory", "out of memory"}, {"out of memory", "out of memory"}, {"container killed by yarn", "out of memory"},
	{"no space left on device", "disk full"},
	{"access denied", "access denied"}, {"accessdenied", "access denied"}, {"not authorized to perform", "access denied"},
	{"unable to assume", "role cannot be assumed"}, {"could not assume", "role cannot be assumed"},
	{"resource unavailable", "no resources"}, {"resource_unavailable", "no resources"}, {"insufficient", "no resources"},
	{"exceeded maximum concurrent", "too many runs at a time"}, {"max concurrent", "too many runs at a time"},
	{"maximum capacity", "capacity limit"}, {"capacity limit", "capacity limit"},
	{"no module named", "a Python module is missing"}, {"classnotfoundexception", "a Java class is missing"},
	{"timed out", "timed out"}, {"timeout", "timed out"},
	{"launch error", "launch error"}, {"heartbeat", "heartbeats missing"},
}

const maxReasonInput = 64 << 10

// Reason shortens what an engine says of a job to what cannot quote a row: its
// category, the class of an exception, an exit code, and known phrases. It is
// empty where none of them is in it.
func Reason(message string) string {
	message = strings.TrimSpace(message[:min(len(message), maxReasonInput)])
	var parts []string
	add := func(text string) {
		for _, p := range parts {
			if p == text {
				return
			}
		}
		parts = append(parts, text)
	}
	if m := category.FindStringSubmatch(message); m != nil {
		add(m[1])
	}
	rest := message[len(lead.FindString(message)):]
	if c := class.FindString(rest); c != "" {
		add(strings.TrimSuffix(c, ":"))
	}
	if m := exitCode.FindStringSubmatch(message); m != nil {
		add("exit code " + m[1])
	}
	lower := strings.ToLower(message)
	for _, p := range phrases {
		if strings.Contains(lower, p.has) {
			add(p.says)
		}
	}
	return strings.Join(parts, ", ")
}

// Say joins a state with what is known of it, as "FAILED (exit code 1)".
func Say(state, message string) string {
	state = printable(state)
	if r := Reason(message); r != "" {
		return state + " (" + r + ")"
	}
	return state
}
