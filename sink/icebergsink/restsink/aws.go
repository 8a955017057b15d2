package restsink

import (
	"errors"
	"fmt"
	"strings"

	"github.com/apache/iceberg-go"
	"github.com/apache/iceberg-go/catalog/rest"
	"github.com/apache/iceberg-go/table"
	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/tidemark-data/etl"
)

// GlueREST is the Iceberg REST endpoint of the AWS Glue Data Catalog of an
// account (AWS Glue Developer Guide, "Connecting to the Data Catalog using AWS
// Glue Iceberg REST endpoint"). Package gluesink speaks Glue's own API instead,
// which needs fewer permissions and gives new databases their location.
func GlueREST(cfg aws.Config, account string) Config {
	return Config{
		AWS: cfg, URI: "https://glue." + cfg.Region + "." + domain(cfg.Region) + "/iceberg", Warehouse: account,
		SigV4: true, SigningName: "glue", SigningRegion: cfg.Region, LowerCase: true,
	}
}

// S3Tables is the Iceberg REST endpoint of Amazon S3 Tables for the table bucket
// of that ARN (Amazon S3 User Guide, "Accessing tables using the Amazon S3
// Tables Iceberg REST endpoint"), in the region that the ARN names.
//
// Each table has storage of its own there, in which no other files may be:
// sideLocation is a prefix in an ordinary bucket ("s3://bucket/prefix") for the
// orders of deleted keys. S3 Tables compacts and expires snapshots by itself, and
// removes objects that no snapshot names, by default after 3 and 10 days (Amazon
// S3 User Guide, "Maintenance for tables", "Maintenance for table buckets"). Leave
// that to it: call Maintain, if at all, without Sweep, and CleanSideFiles for the
// side location. Where the service refuses to remove the files of a lost attempt
// or old metadata, the sink logs that and goes on.
func S3Tables(cfg aws.Config, arn, sideLocation string) (Config, error) {
	parts := strings.Split(arn, ":")
	if len(parts) != 6 || parts[0] != "arn" || parts[2] != "s3tables" || parts[3] == "" || !strings.HasPrefix(parts[5], "bucket/") {
		return Config{}, errors.New("restsink: not the ARN of a table bucket (arn:aws:s3tables:region:account:bucket/name)")
	}
	region := parts[3]
	if cfg.Region == "" {
		cfg.Region = region
	}
	if cfg.Region != region {
		return Config{}, fmt.Errorf("restsink: the table bucket is in region %s, the AWS config in %s", region, cfg.Region)
	}
	return Config{
		AWS: cfg, URI: "https://s3tables." + region + "." + domain(region) + "/iceberg", Warehouse: arn,
		SigV4: true, SigningName: "s3tables", SigningRegion: region, LowerCase: true, SideLocation: sideLocation,
	}, nil
}

// domain is that of the region's partition.
func domain(region string) string {
	if strings.HasPrefix(region, "cn-") {
		return "amazonaws.com.cn"
	}
	return "amazonaws.com"
}

func nested(location string, ns table.Identifier) string {
	return strings.TrimRight(location, "/") + "/" + strings.Join(ns, "/")
}

// classify gives refusals that need a person their outcome. What it leaves alone
// is known to the sink (conflicts) or has an unknown outcome.
func classify(err error) error {
	switch {
	case errors.Is(err, rest.ErrForbidden), errors.Is(err, rest.ErrUnauthorized):
		return refuse(err, "the catalog refuses the caller: check its credentials and grants")
	case errors.Is(err, rest.ErrBadRequest):
		return refuse(err, "the catalog does not take the request")
	case errors.Is(err, iceberg.ErrNotImplemented):
		return refuse(err, "the catalog does not offer this")
	}
	return err
}

func refuse(err error, hint string) error {
	return etl.WithOutcome(etl.Terminal, fmt.Errorf("%w (%s)", err, hint))
}
