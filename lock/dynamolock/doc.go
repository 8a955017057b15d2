// Package dynamolock keeps leases in an Amazon DynamoDB table, for any number of
// processes anywhere. It may be the table of dynamocontrol: a lease is the item
// LOCK in the partition of the data table that it is named after. Items are never
// deleted, because the fence in them has to outlive every lease.
//
// # When a lease ends
//
// Every acquisition and renewal gives the item a new random version, and every
// write is conditional on the version that was read, so that of several
// contenders one wins. A lease ends by release, or when its holder has not
// renewed it for its time to live. That is found out in two ways:
//
//   - By watching. A [Locker] that has seen the same version for a whole time to
//     live, by its own monotonic clock, takes the lock over. No two clocks are
//     compared, so no clock can be wrong, but the Locker must live that long.
//   - By the stamp. Whoever writes a version puts the time beside it, so that a
//     caller who cannot wait, as a Lambda function, finishes what others have
//     begun to watch: it takes the lock over once time to live and
//     [Options.Margin] have passed since the stamp. Both times are those of the
//     service, from the Date header of its answers, which has a resolution of a
//     second; where the client does not pass that on, they are the callers' own.
//     A stamp that lies in the future, because somebody's clock was ahead, is
//     lowered by whoever sees it, and the time runs from there.
//
// If the clocks of callers without the service's time are apart by more than
// Margin, a lease may be taken from a holder that is alive. Then two believe to
// hold it until the first renews. That costs work and nothing else: the fence has
// grown, and control store and tables refuse what is written under the old one. A
// negative Margin switches the stamp off and leaves watching.
//
// # Lost answers
//
// A call without an answer is tried again; a lease that was won by an attempt
// whose answer was lost is known by its token. If all answers are lost, the lock
// may stay taken for the time to live, but not for the Locker that took it.
package dynamolock
