// Package dispatch hands loads to other engines: in this process, and, in its
// leaf packages, to Spark through spark-submit, AWS Glue or EMR Serverless.
//
// What a job has to do is written down in a [Manifest], which the job that comes
// with package sparkjob reads; it leaves an [etl.JobResult] beside it.
package dispatch
