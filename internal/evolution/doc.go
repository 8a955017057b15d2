// Package evolution tests schema changes in the middle of histories.
package evolution
