// Package observer holds ready-made observers of a Runner: [Join] puts several
// together, [EMF] writes metrics as lines of JSON in CloudWatch's embedded metric
// format. OpenTelemetry is in package otelobserver.
package observer
