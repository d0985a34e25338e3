// Package lakebase connects Go programs to Databricks Lakebase, managed
// Postgres whose password is an OAuth token that expires within the hour.
//
// One call, in a script, for a *pgx.Conn, a *pgxpool.Pool or a *sql.DB:
//
//	conn, err := lakebase.Connect(ctx, "my-instance/my_database")
//
// A connector with its own settings, whose pools share one token, in a service:
//
//	cfg, err := lakebase.ParseConfig("lakebase://my-instance?pool_size=20")
//	c, err := lakebase.New(cfg)
//	pool, err := c.NewPool(ctx)
//
// A hook, for a pool that is configured elsewhere:
//
//	pgxCfg.BeforeConnect = c.BeforeConnect
//
// # Targets
//
//	(empty)                               what the environment names
//	my-instance[/db]                      a Provisioned instance
//	projects/p[/branches/b[/endpoints/e]] Autoscaling; [/databases/ID-OR-NAME] may follow
//	ep-x.database.region.host[:port][/db] a host of the service, instance-x... too
//	lakebase://[user@]TARGET[/db][?pool_size=20&...]  with settings: see Config.Settings
//	postgres://..., postgresql+driver://..., host=... user=...  a static URL: no workspace;
//	                                      without a password, at a host of the service: a token
//
// A target replaces what the environment names ([ParseConfig] lists its
// variables), and the Databricks profile logs in to the workspace.
//
// # Dangers
//
// A token is a password: it is sent only over verified TLS, also with require. A
// static URL is used as written: there, require does not verify. The service's
// pooler (hosts with -pooler) may refuse tokens: pool here, use the direct host.
// Expiry counts at login only. NewPool and OpenDB connect when they are first
// used: ping to check. Retry a login that is [Retryable], never a statement.
package lakebase
