// Package restsink keeps Iceberg tables in S3, with a catalog behind them that
// speaks the Iceberg REST Catalog API: Polaris, Lakekeeper, Nessie, Unity, or,
// with requests signed by SigV4, the endpoints of AWS Glue ([GlueREST]) and of
// Amazon S3 Tables ([S3Tables]).
//
// A commit is one request whose requirements name the head of the table that
// was read (Iceberg REST Catalog API, "updateTable"). The answer 409 is a
// conflict; after an answer 5xx, or none, the sink looks for the load before
// anything else; 400, 401 and 403 are terminal.
package restsink

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"time"

	"github.com/apache/iceberg-go/catalog/rest"
	"github.com/apache/iceberg-go/table"
	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/tidemark-data/etl"
	"github.com/tidemark-data/etl/sink/icebergsink/catalogsink"
	"github.com/tidemark-data/etl/sink/icebergsink/internal/awslake"
)

// Sink is the sink of package catalogsink.
type Sink = awslake.Sink

// Encryption is the server-side encryption that new objects ask for.
type Encryption = awslake.Encryption

var _ etl.Sink = (*Sink)(nil)

// Config says where the catalog is and how to sign in.
type Config struct {
	// URI is the base of the catalog, without "/v1".
	URI string
	// Warehouse is what the catalog calls its warehouse; many take a name here,
	// some a location.
	Warehouse string
	// Prefix comes before the paths of all but the configuration; catalogs mostly
	// tell it themselves.
	Prefix string
	// Token is a bearer token, or Credential is "client-id:client-secret" for
	// OAuth 2 client credentials; not both. Neither is part of any error.
	Token, Credential string
	// OAuthURI is where Credential is changed into tokens; empty is the catalog's
	// own "v1/oauth/tokens". Scope is "catalog" if empty.
	OAuthURI, Scope, Audience, Resource string
	// SigV4 signs requests with the credentials of AWS, for SigningName ("glue",
	// "s3tables" or "execute-api") in SigningRegion; empty are "execute-api" and
	// the region of AWS.
	SigV4                      bool
	SigningName, SigningRegion string
	// Headers are added to all requests.
	Headers map[string]string
	// Transport is the HTTP client's; nil is that of net/http with limits of time.
	Transport http.RoundTripper

	// AWS reaches the files where the catalog gives out no credentials for them.
	// The zero value is for catalogs that do, or whose files are not in S3.
	AWS aws.Config
	// S3Endpoint is the endpoint of S3; empty is that of AWS or what the catalog says.
	S3Endpoint string
	// PathStyle puts buckets into the path of S3 requests.
	PathStyle bool
	// Encryption of new objects; the zero value leaves it to the bucket.
	Encryption Encryption

	// LowerCase refuses tables with names that Glue and Athena would fold.
	LowerCase bool
	// NamespaceLocation is where the tables of new namespaces are; empty leaves it
	// to the catalog. Each namespace gets a folder of its name in it.
	NamespaceLocation string
	// SideLocation is where the orders of deleted keys are kept, see
	// [catalogsink.Options]. With S3 Tables it must be in an ordinary bucket, see
	// [S3Tables].
	SideLocation string
	// Logger is told of retries and of what was left for clean-up; nil discards.
	Logger *slog.Logger
	// Attempts is how often a load is tried against concurrent writers; 0 is 10.
	Attempts int
	// Workers is how many goroutines read files of one load; 0 is 2.
	Workers int
}

func (c Config) storage() awslake.Storage {
	return awslake.Storage{AWS: c.AWS, Endpoint: c.S3Endpoint, PathStyle: c.PathStyle, Encryption: c.Encryption}
}

func (c Config) withDefaults() Config {
	if c.SigV4 && c.SigningName == "" {
		c.SigningName = "execute-api"
	}
	if c.SigV4 && c.SigningRegion == "" {
		c.SigningRegion = c.AWS.Region
	}
	if c.Transport == nil {
		t := http.DefaultTransport.(*http.Transport).Clone()
		t.ResponseHeaderTimeout = 2 * time.Minute // iceberg-go itself waits without end
		c.Transport = t
	}
	return c
}

// check returns all that is wrong with the configuration.
func (c Config) check() error {
	var errs []error
	if u, err := url.Parse(c.URI); err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" || u.User != nil {
		errs = append(errs, errors.New("uri: not of the form https://host/path"))
	}
	if c.Token != "" && c.Credential != "" {
		errs = append(errs, errors.New("token and credential: give one"))
	}
	if c.SigV4 && (c.Token != "" || c.Credential != "") {
		errs = append(errs, errors.New("requests are signed either by SigV4 or by a token"))
	}
	if _, err := url.Parse(c.OAuthURI); err != nil {
		errs = append(errs, errors.New("oauth uri: not a URL"))
	}
	if c.SigV4 || c.AWS.Credentials != nil {
		errs = append(errs, c.storage().Check())
	}
	if c.SigningName == "s3tables" && c.SideLocation == "" {
		errs = append(errs, errors.New("side location: S3 Tables keeps no files but a table's own, so it must be given, in an ordinary bucket"))
	}
	return errors.Join(errs...)
}

// Open asks the catalog for its configuration and returns a sink. Close it after use.
func Open(ctx context.Context, cfg Config) (*Sink, error) {
	cfg = cfg.withDefaults()
	if err := cfg.check(); err != nil {
		return nil, fmt.Errorf("restsink: %w", err)
	}
	aws, props := cfg.storage().Config(), cfg.storage().Properties()
	inner, err := rest.NewCatalog(ctx, "tidemark", cfg.URI, append(cfg.options(aws), rest.WithAdditionalProps(props))...)
	if err != nil {
		return nil, fmt.Errorf("restsink: open the catalog: %w", classify(err))
	}
	hooks := awslake.Hooks{Classify: classify}
	if cfg.NamespaceLocation != "" {
		hooks.NamespaceLocation = func(ns table.Identifier) string { return nested(cfg.NamespaceLocation, ns) }
	}
	cat := awslake.NewCatalog(inner, aws, props, hooks)
	sink := &Sink{Sink: catalogsink.New(cat, catalogsink.Options{
		Logger: cfg.Logger, Attempts: cfg.Attempts, Workers: cfg.Workers, SideLocation: cfg.SideLocation, Closer: cat,
		Declared: cfg.declared(),
	})}
	if cfg.LowerCase {
		sink.Check = awslake.CheckNames
	}
	return sink, nil
}

func (c Config) options(aws aws.Config) []rest.Option {
	opts := []rest.Option{
		rest.WithWarehouseLocation(c.Warehouse), rest.WithPrefix(c.Prefix), rest.WithCustomTransport(c.Transport),
		rest.WithOAuthToken(c.Token), rest.WithCredential(c.Credential), rest.WithScope(c.Scope),
		rest.WithAudience(c.Audience), rest.WithResource(c.Resource), rest.WithHeaders(c.Headers),
	}
	if c.OAuthURI != "" {
		u, _ := url.Parse(c.OAuthURI) // checked
		opts = append(opts, rest.WithAuthURI(u))
	}
	if c.SigV4 {
		opts = append(opts, rest.WithAwsConfig(aws), rest.WithSigV4RegionSvc(c.SigningRegion, c.SigningName))
	}
	return opts
}
