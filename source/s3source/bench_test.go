package s3source_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tidemark-data/etl/etltest/awstest"
	"github.com/tidemark-data/etl/source/s3source"
)

// BenchmarkRead reads an object of 64 MiB in steps of 256 KiB, with and without
// latency before each answer and a limit to the rate of each connection.
func BenchmarkRead(b *testing.B) {
	const size = 64 << 20
	content := noise(size)
	for _, c := range []struct {
		latency time.Duration
		rate    int64 // bytes per second of a connection
	}{{0, 0}, {30 * time.Millisecond, 0}, {30 * time.Millisecond, 80 << 20}} {
		for _, parts := range []int{1, 4, 8} {
			b.Run(fmt.Sprintf("latency=%v/MBps=%d/parts=%d", c.latency, c.rate>>20, parts), func(b *testing.B) {
				_, s, f := landed(b, onGet(func(int, awstest.S3Request) awstest.S3Fault {
					return awstest.S3Fault{Delay: c.latency, BytesPerSecond: c.rate}
				}), content, s3source.Options{Parts: parts})
				b.SetBytes(size)
				for b.Loop() {
					in, err := s.Open(b.Context(), f)
					require.NoError(b, err)
					buf := make([]byte, 256<<10)
					for off := int64(0); off < size; off += int64(len(buf)) {
						_, err := in.ReadAt(buf, off)
						require.NoError(b, err)
					}
					require.NoError(b, in.Close())
				}
			})
		}
	}
}
