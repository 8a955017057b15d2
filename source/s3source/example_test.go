package s3source_test

import (
	"context"
	"fmt"
	"io"
	"log"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/tidemark-data/etl/etltest/awstest"
	"github.com/tidemark-data/etl/source/s3source"
)

func Example() {
	ctx := context.Background()
	// In a service this is s3.NewFromConfig(cfg).
	client := awstest.NewS3(awstest.S3Options{Now: func() time.Time { return time.Date(2024, 2, 20, 11, 8, 25, 0, time.UTC) }}, "raw")
	for _, key := range []string{"dms/mpd/incidents/LOAD00000001.csv", "dms/mpd/incidents/20240220-110825123.csv", "other/file"} {
		_, err := client.PutObject(ctx, &s3.PutObjectInput{Bucket: aws.String("raw"), Key: &key, Body: strings.NewReader("1,THEFT\n")})
		if err != nil {
			log.Fatal(err)
		}
	}

	landing, err := s3source.New(client, s3source.Options{Bucket: "raw", Prefix: "dms/"})
	if err != nil {
		log.Fatal(err)
	}
	for f, err := range landing.List(ctx) {
		if err != nil {
			log.Fatal(err)
		}
		in, err := landing.Open(ctx, f)
		if err != nil {
			log.Fatal(err)
		}
		text, err := io.ReadAll(io.NewSectionReader(in, 0, in.Size()))
		fmt.Printf("%s %s %q %v\n", f.Location, f.ModTime.Format(time.DateTime), text, err)
		if err := in.Close(); err != nil {
			log.Fatal(err)
		}
	}
	if err := landing.Close(); err != nil {
		log.Fatal(err)
	}
	// Output:
	// mpd/incidents/20240220-110825123.csv 2024-02-20 11:08:25 "1,THEFT\n" <nil>
	// mpd/incidents/LOAD00000001.csv 2024-02-20 11:08:25 "1,THEFT\n" <nil>
}
