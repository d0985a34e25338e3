// Package local is a local Lakebase for tests and development: real PostgreSQL
// behind a frontend that behaves like the service, real tokens, the workspace's
// REST API, and faults on demand. It shares no code with the client side of this
// project, which it tests.
//
//	s, err := local.Start(ctx, local.Options{})
//	defer s.Close()
//	vars, err := s.Env("") // DATABRICKS_HOST, DATABRICKS_TOKEN, ... for any client
//
// All addresses are loopback addresses. Options.DataDir contains keys and
// credentials, readable by their owner only, which are valid for this server
// only.
//
// The following is not implemented: branches of the past (a branch is a copy of
// the present), Unity Catalog, synced tables, and sizes of computes. The expiry of
// a branch and the Postgres settings of an endpoint are saved and shown, and have
// no effect.
package local
