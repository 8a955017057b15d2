package gluesink_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/glue"
	"github.com/stretchr/testify/require"

	"github.com/tidemark-data/etl"
	"github.com/tidemark-data/etl/etltest"
	"github.com/tidemark-data/etl/sink/icebergsink/gluesink"
)

func (c *cloud) client() *glue.Client {
	cfg := c.config().AWS
	return glue.NewFromConfig(cfg)
}

// What Athena and Glue's console show of a table: the database's location, the
// columns' types and their comments.
func TestCatalogEntry(t *testing.T) {
	t.Parallel()
	c := newCloud(t)
	s := c.open()
	l := newLoader(t, people())
	l.apply(s, etl.Full, "1,Ann\n")
	l.apply(s, etl.Incremental, "I,2,Bob\n")
	db, err := c.client().GetDatabase(t.Context(), &glue.GetDatabaseInput{Name: aws.String("mpd")})
	require.NoError(t, err)
	require.Equal(t, "s3://lake/warehouse/mpd.db", aws.ToString(db.Database.LocationUri))
	got, err := c.client().GetTable(t.Context(), &glue.GetTableInput{DatabaseName: aws.String("mpd"), Name: aws.String("people")})
	require.NoError(t, err)
	require.Equal(t, "EXTERNAL_TABLE", aws.ToString(got.Table.TableType))
	require.Equal(t, "ICEBERG", got.Table.Parameters["table_type"])
	require.Equal(t, "s3://lake/warehouse/mpd.db/people", aws.ToString(got.Table.StorageDescriptor.Location))
	cols := got.Table.StorageDescriptor.Columns
	require.Len(t, cols, 2)
	require.Equal(t, "bigint", aws.ToString(cols[0].Type))
	require.Equal(t, "who it is", aws.ToString(cols[0].Comment))
	require.Nil(t, cols[1].Comment)
	tbl, err := s.Table(t.Context(), l.table.Name)
	require.NoError(t, err)
	require.Equal(t, "who it is", tbl.Schema().Field(0).Doc)
	require.Zero(t, c.glue.Archived(), "the archive is skipped")
}

func TestKeepArchive(t *testing.T) {
	t.Parallel()
	c := newCloud(t)
	l := newLoader(t, people())
	l.apply(c.open(func(cfg *gluesink.Config) { cfg.KeepArchive = true }), etl.Full, "1,Ann\n")
	require.Equal(t, 1, c.glue.Archived())
}

// Names that Glue would fold are refused before anything is asked of AWS.
func TestNamesAreRefused(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		why    string
		change func(*etl.Table)
	}{
		{"not in lower case", func(t *etl.Table) { t.Name = "mpd.People" }},
		{"not in lower case", func(t *etl.Table) { t.Name = "MPD.people" }},
		{"column Name is not in lower case", func(t *etl.Table) { t.Columns[1].Name = "Name" }},
		{"columns name and NAME differ by case only", func(t *etl.Table) {
			t.Columns = append(t.Columns, etl.Column{Name: "NAME", Type: etl.String})
		}},
		{"one level of namespaces", func(t *etl.Table) { t.Name = "a.b.people" }},
		{"at most 255 bytes", func(t *etl.Table) { t.Columns[1].Doc = strings.Repeat("é", 128) }},
	} {
		c := newCloud(t)
		s := c.open()
		l := newLoader(t, people())
		test.change(&l.table)
		_, err := l.try(t.Context(), s, l.land(etl.Full, "1,Ann\n"))
		require.Equal(t, etl.Terminal, etl.OutcomeOf(err))
		require.ErrorContains(t, err, test.why)
		target, err := l.table.Target()
		require.NoError(t, err)
		require.ErrorContains(t, s.Fence(t.Context(), target, 5), test.why)
		require.Empty(t, c.glue.Calls())
		require.Empty(t, c.requests.take())
	}
}

func TestConfigIsChecked(t *testing.T) {
	t.Parallel()
	good := newCloud(t).config()
	for _, test := range []struct {
		why    string
		change func(*gluesink.Config)
	}{
		{"no credentials", func(c *gluesink.Config) { c.AWS.Credentials = nil }},
		{"no region", func(c *gluesink.Config) { c.AWS.Region = "" }},
		{"warehouse: not of the form", func(c *gluesink.Config) { c.Warehouse = "lake/warehouse" }},
		{"warehouse: not of the form", func(c *gluesink.Config) { c.Warehouse = "s3:///warehouse" }},
		{"warehouse: readers", func(c *gluesink.Config) { c.Warehouse = "s3://lake/a b" }},
		{"warehouse: readers", func(c *gluesink.Config) { c.Warehouse = "s3://lake/a//b" }},
		{"side location", func(c *gluesink.Config) { c.SideLocation = "/folder" }},
		{"s3 endpoint", func(c *gluesink.Config) { c.S3Endpoint = "localhost:9000" }},
		{"encryption: a key needs", func(c *gluesink.Config) { c.Encryption.KMSKey = "k" }},
		{"encryption: the algorithm", func(c *gluesink.Config) { c.Encryption.Algorithm = "rot13" }},
	} {
		cfg := good
		test.change(&cfg)
		_, err := gluesink.Open(t.Context(), cfg)
		require.ErrorContains(t, err, test.why)
	}
}

// Listings of databases and tables come in pages.
func TestPages(t *testing.T) {
	t.Parallel()
	c := newCloud(t)
	c.glue.Page = 2
	s := c.open()
	for i := range 5 {
		table := people()
		table.Name = fmt.Sprintf("db%d.people%d", i, i)
		l := newLoader(t, table)
		l.apply(s, etl.Full, "1,Ann\n")
		require.Len(t, l.rows(s), 1)
	}
	table := people()
	table.Name = "db3.other"
	newLoader(t, table).apply(s, etl.Full, "1,Ann\n")
}

// Encryption reaches every object, those of iceberg-go's own too.
func TestEncryption(t *testing.T) {
	t.Parallel()
	c := newCloud(t)
	l := newLoader(t, people())
	s := c.open(func(cfg *gluesink.Config) { cfg.Encryption = gluesink.Encryption{Algorithm: "aws:kms", KMSKey: "key"} })
	l.apply(s, etl.Full, "1,Ann\n")
	puts := 0
	for _, r := range c.requests.take() {
		if r.method == "PUT" {
			puts++
			require.Equal(t, "aws:kms", r.sse, r.key)
		}
	}
	require.GreaterOrEqual(t, puts, 5, "data, manifest, manifest list, metadata twice")
}

// Side files may be in another bucket than the tables.
func TestSideLocation(t *testing.T) {
	t.Parallel()
	c := newCloud(t)
	table := people()
	table.Columns = append(table.Columns, etl.Column{Name: "seq", Type: etl.Long})
	table.OrderBy = []string{"seq"}
	l := newLoader(t, table)
	l.table.Format = csv("id", "name", "seq")
	s := c.open(func(cfg *gluesink.Config) { cfg.SideLocation = "s3://side/orders" })
	l.apply(s, etl.Full, "1,Ann,\n")
	l.apply(s, etl.Incremental, "U,1,Anne,5\n")
	l.apply(s, etl.Incremental, "D,1,,7\n")
	c.requests.take()
	l.apply(s, etl.Incremental, "I,1,Late,6\nI,2,Bob,6\n")
	require.Empty(t, etltest.Rows{{2, "Bob", 6}}.Diff(l.rows(s)))
	read := false
	for _, r := range c.requests.take() {
		read = read || r.method == "GET" && strings.Contains(r.key, "side/orders/")
	}
	require.True(t, read, "the order of the deleted key is not in the side location")
}
