// Package source holds the sources that need nothing but the standard library:
// [Dir] lists a folder of the local file system, [Memory] is a bucket in memory
// for tests and examples.
//
// Both treat locations as data. A location is any UTF-8 of up to 1,024 bytes
// (the limit of S3, "Naming Amazon S3 objects"); [Dir] resolves it inside its
// folder by [os.Root] and never outside of it.
package source
