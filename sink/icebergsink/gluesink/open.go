// Package gluesink keeps Iceberg tables in S3, with the AWS Glue Data Catalog as
// their catalog. Athena, Redshift, EMR and Glue's own jobs read them there.
//
// A commit is one UpdateTable under the version of the table that was read (AWS
// Glue Web API Reference, "UpdateTable", VersionId): of two writers one gets
// ConcurrentModificationException, and starts again on what the other has made.
// After an answer that was lost, a throttled request or an error of the service
// the sink looks for the load before anything else.
//
// The caller needs glue:GetDatabase, GetDatabases, GetTable, GetTables and
// UpdateTable, for new tables CreateTable and CreateDatabase, and in S3
// GetObject, PutObject, DeleteObject, AbortMultipartUpload and ListBucket. A
// process that dies leaves the parts of its uploads behind: give the bucket a
// lifecycle rule that aborts incomplete multipart uploads.
//
// Column.Doc becomes the column's comment, and the table's properties become
// parameters of the Glue table.
package gluesink

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"strconv"
	"strings"

	"github.com/apache/iceberg-go/catalog/glue"
	"github.com/apache/iceberg-go/table"
	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/tidemark-data/etl"
	"github.com/tidemark-data/etl/sink/icebergsink/catalogsink"
	"github.com/tidemark-data/etl/sink/icebergsink/internal/awslake"
)

// Sink is the sink of package catalogsink, which refuses tables whose names
// Glue would fold.
type Sink = awslake.Sink

// Encryption is the server-side encryption that new objects ask for.
type Encryption = awslake.Encryption

var _ etl.Sink = (*Sink)(nil)

// Config says where the catalog and the tables are.
type Config struct {
	// AWS has the region, the credentials, the retries and, for tests, the
	// endpoint of Glue (BaseEndpoint), as config.LoadDefaultConfig gives it.
	AWS aws.Config
	// Warehouse is where the tables of new databases are: "s3://bucket/prefix".
	// Tables of a database that has a location of its own are there.
	Warehouse string
	// CatalogID is the id of the Data Catalog; empty is the caller's account.
	CatalogID string
	// KeepArchive has Glue keep each version of a table's entry. The default is to
	// skip that: the archive has a quota, and Iceberg has its own history.
	KeepArchive bool
	// S3Endpoint is the endpoint of S3; empty is that of AWS.
	S3Endpoint string
	// PathStyle puts buckets into the path of S3 requests.
	PathStyle bool
	// Encryption of new objects; the zero value leaves it to the bucket.
	Encryption Encryption
	// SideLocation is where the orders of deleted keys are kept, see
	// [catalogsink.Options]. It may be in another bucket of the same region.
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

// check returns all that is wrong with the configuration.
func (c Config) check() error {
	errs := []error{c.storage().Check()}
	if err := checkLocation(c.Warehouse); err != nil {
		errs = append(errs, fmt.Errorf("warehouse: %w", err))
	}
	if c.SideLocation != "" {
		if err := checkLocation(c.SideLocation); err != nil {
			errs = append(errs, fmt.Errorf("side location: %w", err))
		}
	}
	return errors.Join(errs...)
}

// checkLocation wants "s3://bucket/prefix" without what readers of the tables
// would undo or cut off.
func checkLocation(location string) error {
	u, err := url.Parse(location)
	if err != nil || u.Scheme != "s3" || u.Host == "" || u.RawQuery != "" || u.Fragment != "" || u.User != nil {
		return errors.New("not of the form s3://bucket/prefix")
	}
	if u.String() != location || strings.Contains(u.Path, "//") || strings.Contains(u.Path, "%") {
		return errors.New("readers of Iceberg tables do not agree on prefixes with spaces, %, // or letters beyond ASCII: choose another")
	}
	return nil
}

// Open returns a sink; it asks nothing of AWS yet. Close it after use.
func Open(_ context.Context, cfg Config) (*Sink, error) {
	if err := cfg.check(); err != nil {
		return nil, fmt.Errorf("gluesink: %w", err)
	}
	warehouse := strings.TrimRight(cfg.Warehouse, "/")
	aws, props := cfg.storage().Config(), cfg.storage().Properties()
	props["warehouse"] = warehouse
	props[glue.SkipArchive] = strconv.FormatBool(!cfg.KeepArchive)
	if cfg.CatalogID != "" {
		props[glue.CatalogIdKey] = cfg.CatalogID
	}
	inner, err := glue.NewCatalog(glue.WithAwsConfig(aws), glue.WithAwsProperties(glue.AwsProperties(props)))
	if err != nil {
		return nil, fmt.Errorf("gluesink: %w", err)
	}
	cat := awslake.NewCatalog(inner, aws, props, awslake.Hooks{
		NamespaceLocation: func(ns table.Identifier) string { return warehouse + "/" + strings.Join(ns, ".") + ".db" },
	})
	return &Sink{Check: awslake.CheckNames, Sink: catalogsink.New(cat, catalogsink.Options{
		Logger: cfg.Logger, Attempts: cfg.Attempts, Workers: cfg.Workers, SideLocation: cfg.SideLocation, Closer: cat,
		Declared: cfg.declared(warehouse),
	})}, nil
}

// declared says where other engines find the tables.
func (c Config) declared(warehouse string) etl.Declaration {
	props := c.storage().Declared()
	props["glue.skip-archive"] = strconv.FormatBool(!c.KeepArchive)
	if c.CatalogID != "" {
		props["glue.id"] = c.CatalogID
	}
	return etl.Declaration{Kind: "iceberg", Options: map[string]any{
		"catalog": "tidemark", "type": "glue", "uri": "", "warehouse": warehouse, "side": c.SideLocation, "properties": props,
	}}
}
