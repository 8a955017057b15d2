package restsink

import (
	"encoding/json"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/stretchr/testify/require"
)

func TestDeclared(t *testing.T) {
	cfg := Config{
		URI: "https://catalog.example/api?key=hush", Warehouse: "w", Prefix: "p", Token: "hush", Scope: "s",
		OAuthURI: "https://user:hush@auth.example/token", Headers: map[string]string{"x-api-key": "hush"},
		AWS: aws.Config{Region: "eu-west-1"}, S3Endpoint: "https://s3.example",
	}
	d := cfg.declared()
	require.Equal(t, "iceberg", d.Kind)
	require.Equal(t, "rest", d.Options["type"])
	require.Equal(t, "https://catalog.example/api", d.Options["uri"])
	require.Equal(t, map[string]string{
		"prefix": "p", "scope": "s", "oauth2-server-uri": "https://auth.example/token",
		"client.region": "eu-west-1", "s3.endpoint": "https://s3.example", "s3.path-style-access": "false",
	}, d.Options["properties"])
	text, err := json.Marshal(d)
	require.NoError(t, err)
	require.NotContains(t, string(text), "hush")

	signed := GlueREST(aws.Config{Region: "eu-west-1"}, "123456789012").withDefaults().declared()
	require.Equal(t, map[string]string{
		"client.region": "eu-west-1", "rest.sigv4-enabled": "true", "rest.signing-name": "glue", "rest.signing-region": "eu-west-1",
	}, signed.Options["properties"])
}
