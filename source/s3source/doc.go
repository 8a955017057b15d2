// Package s3source is a bucket of Amazon S3, or of a store that speaks its
// protocol, as an [etl.Source].
//
// # What a file is
//
// A file is a key and its content. The content is known by the version ID where
// [Options.Versions] is set, else by the ETag and the size. Every request names
// the version or carries the ETag as If-Match, so bytes of two contents are
// never mixed: other content is [etl.ErrFileChanged], none [etl.ErrFileVanished].
//
// Notifications carry version IDs, listings do not. A file that is registered
// from both must have one identity: make files of notifications by
// [Source.Find], never from the notification's own fields.
//
// # How it is read
//
// Objects of up to one part are fetched whole when they are opened. Larger ones
// are fetched in ranges: small ones where reads jump about, as Parquet's do, and
// growing ones with readahead in parallel where reads follow each other. A
// connection that breaks is made anew at the byte where it broke.
//
// # What it needs
//
// s3:ListBucket on the bucket, without which S3 says "denied" of keys that are
// not there, and s3:GetObject on its keys; s3:GetObjectVersion where files have
// version IDs; kms:Decrypt on the key of objects under SSE-KMS.
//
// # Afterwards
//
// [Source.Dispose] tags, moves or deletes objects whose files are through, if
// [Options.OnApplied] or [Options.OnFailed] say so. It takes s3:PutObject,
// s3:DeleteObject, s3:GetObjectTagging and s3:PutObjectTagging.
//
// # What is not supported
//
// Objects under keys that the customer supplies (SSE-C) are refused with a hint.
// SSE-S3 and SSE-KMS need nothing but permissions. Archived objects (Glacier)
// are refused until they are restored.
package s3source
