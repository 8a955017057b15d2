package awstest_test

import (
	"fmt"
	"net/http/httptest"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/glue"
	"github.com/aws/aws-sdk-go-v2/service/glue/types"
	"github.com/aws/smithy-go"
	"github.com/stretchr/testify/require"

	"github.com/tidemark-data/etl/etltest/awstest"
)

func glueClient(t *testing.T, g *awstest.Glue) *glue.Client {
	web := httptest.NewServer(g)
	t.Cleanup(web.Close)
	return glue.New(glue.Options{
		BaseEndpoint: aws.String(web.URL), Region: "eu-west-1", RetryMaxAttempts: 1,
		Credentials: credentials.NewStaticCredentialsProvider("id", "secret", ""),
	})
}

func glueInput(name, value string) *types.TableInput {
	return &types.TableInput{
		Name: &name, Parameters: map[string]string{"p": value},
		StorageDescriptor: &types.StorageDescriptor{Columns: []types.Column{{Name: aws.String("Id"), Type: aws.String("int")}}},
	}
}

func TestGlueTables(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	g := awstest.NewGlue()
	c := glueClient(t, g)
	db, name := aws.String("db"), aws.String("people")
	_, err := c.CreateTable(ctx, &glue.CreateTableInput{DatabaseName: db, TableInput: glueInput("People", "1")})
	require.ErrorAs(t, err, new(*types.EntityNotFoundException))
	_, err = c.CreateDatabase(ctx, &glue.CreateDatabaseInput{DatabaseInput: &types.DatabaseInput{Name: aws.String("DB"), LocationUri: aws.String("s3://lake/db")}})
	require.NoError(t, err)
	_, err = c.CreateDatabase(ctx, &glue.CreateDatabaseInput{DatabaseInput: &types.DatabaseInput{Name: db}})
	require.ErrorAs(t, err, new(*types.AlreadyExistsException))
	_, err = c.CreateTable(ctx, &glue.CreateTableInput{DatabaseName: db, TableInput: glueInput("People", "1")})
	require.NoError(t, err)
	_, err = c.CreateTable(ctx, &glue.CreateTableInput{DatabaseName: db, TableInput: glueInput("people", "1")})
	require.ErrorAs(t, err, new(*types.AlreadyExistsException))

	got, err := c.GetTable(ctx, &glue.GetTableInput{DatabaseName: db, Name: name})
	require.NoError(t, err)
	require.Equal(t, "people", *got.Table.Name, "names are folded")
	require.Equal(t, "id", *got.Table.StorageDescriptor.Columns[0].Name)
	require.Equal(t, "db", *got.Table.DatabaseName)

	update := &glue.UpdateTableInput{DatabaseName: db, TableInput: glueInput("people", "2"), VersionId: got.Table.VersionId, SkipArchive: aws.Bool(true)}
	_, err = c.UpdateTable(ctx, update)
	require.NoError(t, err)
	_, err = c.UpdateTable(ctx, update)
	require.ErrorAs(t, err, new(*types.ConcurrentModificationException), "the version is not the present one")
	require.Zero(t, g.Archived())
	update.VersionId, update.SkipArchive = nil, nil
	_, err = c.UpdateTable(ctx, update)
	require.NoError(t, err, "without a version nothing is compared")
	require.Equal(t, 1, g.Archived())
	_, err = c.DeleteTable(ctx, &glue.DeleteTableInput{DatabaseName: db, Name: name})
	require.NoError(t, err)
	_, err = c.GetTable(ctx, &glue.GetTableInput{DatabaseName: db, Name: name})
	require.ErrorAs(t, err, new(*types.EntityNotFoundException))
}

func TestGluePages(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	g := awstest.NewGlue()
	g.Page = 2
	c := glueClient(t, g)
	for i := range 5 {
		_, err := c.CreateDatabase(ctx, &glue.CreateDatabaseInput{DatabaseInput: &types.DatabaseInput{Name: aws.String(fmt.Sprint("db", i))}})
		require.NoError(t, err)
	}
	_, err := c.CreateDatabase(ctx, &glue.CreateDatabaseInput{CatalogId: aws.String("other"), DatabaseInput: &types.DatabaseInput{Name: aws.String("x")}})
	require.NoError(t, err)
	var names []string
	pages := 0
	for p := glue.NewGetDatabasesPaginator(c, &glue.GetDatabasesInput{}); p.HasMorePages(); pages++ {
		page, err := p.NextPage(ctx)
		require.NoError(t, err)
		for _, db := range page.DatabaseList {
			names = append(names, *db.Name)
		}
	}
	require.Equal(t, 3, pages)
	require.Equal(t, []string{"db0", "db1", "db2", "db3", "db4"}, names)
}

func TestGlueFaults(t *testing.T) {
	t.Parallel()
	for fault, want := range map[awstest.GlueFault]struct {
		code string
		done bool
	}{
		awstest.GlueThrottle:   {"ThrottlingException", false},
		awstest.GlueDeny:       {"AccessDeniedException", false},
		awstest.GlueQuota:      {"ResourceNumberLimitExceededException", false},
		awstest.GlueFailBefore: {"InternalServiceException", false},
		awstest.GlueFailAfter:  {"InternalServiceException", true},
		awstest.GlueLoseAnswer: {"", true},
	} {
		g := awstest.NewGlue()
		c := glueClient(t, g)
		g.Fault = func(call awstest.GlueCall) awstest.GlueFault {
			if call.Op == "CreateDatabase" {
				return fault
			}
			return awstest.GlueNone
		}
		_, err := c.CreateDatabase(t.Context(), &glue.CreateDatabaseInput{DatabaseInput: &types.DatabaseInput{Name: aws.String("db")}})
		require.Error(t, err)
		var api smithy.APIError
		if want.code != "" {
			require.ErrorAs(t, err, &api)
			require.Equal(t, want.code, api.ErrorCode())
		}
		_, err = c.GetDatabase(t.Context(), &glue.GetDatabaseInput{Name: aws.String("db")})
		require.Equal(t, want.done, err == nil, "fault %d: %v", fault, err)
	}
}
