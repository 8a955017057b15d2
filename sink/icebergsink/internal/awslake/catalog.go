// Package awslake is what the sinks on AWS have in common: a catalog whose
// tables reach their files in S3 through one AWS configuration, and the rules
// that Glue and Athena have for names.
package awslake

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/apache/iceberg-go"
	"github.com/apache/iceberg-go/catalog"
	iceio "github.com/apache/iceberg-go/io"
	"github.com/apache/iceberg-go/table"
	"github.com/apache/iceberg-go/utils"
	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
)

// Storage says how files in S3 are reached.
type Storage struct {
	// AWS has the region, the credentials, the HTTP client and the retries.
	AWS aws.Config
	// Endpoint of S3; empty is that of AWS.
	Endpoint string
	// PathStyle puts the bucket into the path, as most other implementations of
	// S3 want it.
	PathStyle bool
	// Encryption of new objects; the zero value leaves it to the bucket.
	Encryption Encryption
}

// Check returns what is missing of the configuration. The SDK would sign
// nothing without credentials, and find no endpoint without a region.
func (s Storage) Check() error {
	var errs []error
	if s.AWS.Credentials == nil {
		errs = append(errs, errors.New("aws: no credentials: take the config from config.LoadDefaultConfig"))
	}
	if s.AWS.Region == "" {
		errs = append(errs, errors.New("aws: no region"))
	}
	if s.Endpoint != "" {
		if u, err := url.Parse(s.Endpoint); err != nil || u.Host == "" {
			errs = append(errs, errors.New("s3 endpoint: not a URL"))
		}
	}
	return errors.Join(append(errs, s.Encryption.check())...)
}

// Config is the AWS configuration for all clients: one HTTP client, so that
// connections are used again although iceberg-go makes an S3 client for each
// call that asks for files, and the encryption of new objects.
func (s Storage) Config() aws.Config {
	cfg := s.AWS.Copy()
	if cfg.HTTPClient == nil {
		cfg.HTTPClient = awshttp.NewBuildableClient().WithTransportOptions(func(t *http.Transport) {
			t.MaxIdleConnsPerHost = 64
		})
	}
	if s.Encryption != (Encryption{}) {
		cfg.APIOptions = append(cfg.APIOptions, s.Encryption.addTo)
	}
	return cfg
}

// Properties are the storage's settings as iceberg-go's file IO reads them; the
// credentials are not among them, they go by the context.
func (s Storage) Properties() iceberg.Properties {
	props := iceberg.Properties{}
	if s.AWS.Region != "" {
		props[iceio.S3Region] = s.AWS.Region
	}
	if s.Endpoint != "" {
		props[iceio.S3EndpointURL] = s.Endpoint
	}
	if s.Endpoint != "" || s.PathStyle { // else the catalog may know better
		props[iceio.S3ForceVirtualAddressing] = strconv.FormatBool(!s.PathStyle)
	}
	return props
}

// Hooks adapt a [Catalog]. Each may be nil.
type Hooks struct {
	// NamespaceLocation is where the tables of a new namespace are.
	NamespaceLocation func(namespace table.Identifier) string
	// Classify gives an error of the catalog its outcome.
	Classify func(error) error
}

// Catalog is a catalog whose tables reach their files by the storage.
type Catalog struct {
	catalog.Catalog
	cfg   aws.Config
	props iceberg.Properties
	hooks Hooks
	cache *cache
}

var _ catalog.Catalog = (*Catalog)(nil)

// NewCatalog wraps cat. cfg is Storage.Config and the same that cat uses.
func NewCatalog(cat catalog.Catalog, cfg aws.Config, props iceberg.Properties, hooks Hooks) *Catalog {
	if hooks.Classify == nil {
		hooks.Classify = func(err error) error { return err }
	}
	return &Catalog{Catalog: cat, cfg: cfg, props: props, hooks: hooks, cache: newCache()}
}

// with adds the configuration to a context, where iceberg-go looks for it. Its
// catalogs do so for the table's metadata only; for other files it would load
// the machine's default configuration each time.
func (c *Catalog) with(ctx context.Context) context.Context { return utils.WithAwsConfig(ctx, &c.cfg) }

// LoadTable implements [catalog.Catalog].
func (c *Catalog) LoadTable(ctx context.Context, ident table.Identifier) (*table.Table, error) {
	return c.bind(c.Catalog.LoadTable(c.with(ctx), ident))
}

// CreateTable implements [catalog.Catalog].
func (c *Catalog) CreateTable(ctx context.Context, ident table.Identifier, schema *iceberg.Schema, opts ...catalog.CreateTableOpt) (*table.Table, error) {
	return c.bind(c.Catalog.CreateTable(c.with(ctx), ident, schema, opts...))
}

// CommitTable implements [catalog.Catalog].
func (c *Catalog) CommitTable(ctx context.Context, ident table.Identifier, reqs []table.Requirement, updates []table.Update) (table.Metadata, string, error) {
	meta, location, err := c.Catalog.CommitTable(c.with(ctx), ident, reqs, updates)
	if err != nil {
		return nil, "", c.hooks.Classify(err)
	}
	return meta, location, nil
}

// CreateNamespace implements [catalog.Catalog]. A namespace that is new gets a
// location of its own.
func (c *Catalog) CreateNamespace(ctx context.Context, namespace table.Identifier, props iceberg.Properties) error {
	if c.hooks.NamespaceLocation != nil && props["location"] == "" {
		own := iceberg.Properties{"location": c.hooks.NamespaceLocation(namespace)}
		for k, v := range props {
			own[k] = v
		}
		props = own
	}
	if err := c.Catalog.CreateNamespace(ctx, namespace, props); err != nil {
		return c.hooks.Classify(err)
	}
	return nil
}

// bind makes a table commit through c and reach its files by the storage.
func (c *Catalog) bind(t *table.Table, err error) (*table.Table, error) {
	if err != nil {
		return nil, c.hooks.Classify(err)
	}
	return table.New(t.Identifier(), t.Metadata(), t.MetadataLocation(), func(ctx context.Context) (iceio.IO, error) {
		ctx = c.with(ctx)
		inner, err := t.FS(ctx)
		if err != nil {
			return nil, fmt.Errorf("storage of %s: %w", strings.Join(t.Identifier(), "."), err)
		}
		return newFiles(ctx, inner, t.Location(), c.props, c.cache), nil
	}, c), nil
}

// Close closes the wrapped catalog, if it can be closed.
func (c *Catalog) Close() error {
	if closer, ok := c.Catalog.(catalog.Closer); ok {
		return closer.Close()
	}
	return nil
}
