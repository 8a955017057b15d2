// Package data holds the files of the examples; SOURCE.md says where they come from.
package data

import "embed"

// Files are the landing files of the table mpd.incidents, below "mpd/incidents".
//
//go:embed mpd
var Files embed.FS
