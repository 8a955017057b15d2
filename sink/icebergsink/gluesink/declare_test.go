package gluesink_test

import (
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/stretchr/testify/require"

	"github.com/tidemark-data/etl"
	"github.com/tidemark-data/etl/sink/icebergsink/gluesink"
)

func TestDeclare(t *testing.T) {
	t.Parallel()
	s, err := gluesink.Open(t.Context(), gluesink.Config{
		AWS:       aws.Config{Region: "eu-west-1", Credentials: credentials.NewStaticCredentialsProvider("AKIA", "hush", "hush")},
		Warehouse: "s3://lake/tables/", CatalogID: "123456789012", SideLocation: "s3://lake/side",
		Encryption: gluesink.Encryption{Algorithm: "aws:kms", KMSKey: "key-1"}, PathStyle: true,
	})
	require.NoError(t, err)
	defer s.Close()
	d, err := s.Declare()
	require.NoError(t, err)
	require.Equal(t, etl.Declaration{Kind: "iceberg", Options: map[string]any{
		"catalog": "tidemark", "type": "glue", "uri": "", "warehouse": "s3://lake/tables", "side": "s3://lake/side",
		"properties": map[string]string{
			"client.region": "eu-west-1", "s3.path-style-access": "true", "s3.sse.type": "kms", "s3.sse.key": "key-1",
			"glue.id": "123456789012", "glue.skip-archive": "true",
		},
	}}, d)
}
