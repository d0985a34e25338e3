// Package lakebase connects Go programs to Databricks Lakebase, managed
// Postgres whose password is an OAuth token that dies within the hour.
//
// One call, in a script:
//
//	conn, err := lakebase.Connect(ctx, "my-instance/my_database")
//
// A pool that never runs into an expired token, in a service:
//
//	cfg, err := lakebase.ParseConfig("lakebase://my-instance?pool_size=20")
//	c, err := lakebase.New(cfg)
//	defer c.Close()
//	pool, err := c.NewPool(ctx) // a *pgxpool.Pool; c.OpenDB() is a *sql.DB
//
// A hook, for a pool that is set up elsewhere:
//
//	pgxCfg.BeforeConnect = c.BeforeConnect
//
// # Targets
//
//	(empty)                               what the environment names
//	my-instance[/db]                      a Provisioned instance
//	projects/p[/branches/b[/endpoints/e]] Autoscaling; [/databases/db] may follow
//	ep-x.database.region.host[:port][/db] a host of the service, instance-x... too
//	lakebase://[user@]TARGET[/db][?pool_size=20&...]  any of these, with parameters
//	postgres://..., postgresql+driver://..., host=... user=...  a static URL: no workspace
//
// The parameters of a lakebase:// target are the names that
// [Config.Settings] lists, such as database, pool_size or read_only.
//
// # Precedence
//
//  1. the target, which replaces the environment's URL, instance, endpoint and host
//  2. the environment, in which LAKEBASE_PG_URL wins; [ParseConfig] lists the variables
//  3. the Databricks profile, which says how to log in to the workspace
//  4. the defaults, which the fields of [Config] state
//
// # Dangers
//
// A token is a password: it travels only over TLS, which require verifies
// too, and never in plain text. A static URL is obeyed as it is: there,
// require does not verify. The service's pooler (hosts with -pooler) refuses
// tokens: pool here, use the direct host. Expiry counts at login only; open
// connections live on. NewPool connects to nothing until it is asked to:
// ping to find out. Retry a login that is [Retryable], never a statement.
package lakebase
