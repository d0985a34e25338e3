// Package testsdk is the official SDK's workspace client, reduced to the three
// services that Lakebase needs: the whole client takes all thirty to compile.
// Only test files import it.
package testsdk

import (
	"github.com/databricks/databricks-sdk-go/client"
	"github.com/databricks/databricks-sdk-go/config"
	"github.com/databricks/databricks-sdk-go/service/database"
	"github.com/databricks/databricks-sdk-go/service/iam"
	"github.com/databricks/databricks-sdk-go/service/postgres"
)

// Client has the fields of databricks.WorkspaceClient.
type Client struct {
	Config      *config.Config
	CurrentUser *iam.CurrentUserAPI
	Database    *database.DatabaseAPI
	Postgres    *postgres.PostgresAPI
}

// New is databricks.NewWorkspaceClient.
func New(cfg *config.Config) (*Client, error) {
	c, err := client.New(cfg)
	if err != nil {
		return nil, err
	}
	return &Client{cfg, iam.NewCurrentUser(c), database.NewDatabase(c), postgres.NewPostgres(c)}, nil
}
