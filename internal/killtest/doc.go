// Package killtest holds tests that kill the real command at random moments
// with SIGKILL, and that let several of its processes race for a table. The
// tables must come out as the reference model says.
package killtest
