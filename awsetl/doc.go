// Package awsetl runs Tidemark on AWS: it composes the stores that live there,
// and turns the events of AWS Lambda into work.
//
// [New] composes a [Handler] from an aws.Config and a few names; [NewHandler]
// takes any stores, also those in memory. [Handler.Handle] tells the events
// apart: S3 notifications, EventBridge events (S3 objects, schedules, states of
// DMS tasks and of Glue and EMR jobs), SQS batches, what SNS wraps, and direct
// invocations with an operator's verb.
//
// An event is only a wake-up. Files are looked at again where they landed and
// put into the ledger, and with that the event is done; what is then worked off
// is what the ledger says. Work stops before the function's deadline and wakes
// another invocation. A schedule lists what has landed, so that a lost event
// costs minutes, not data.
package awsetl
