// Package local is a local Lakebase: real PostgreSQL behind a front that
// speaks as the service does, real tokens, the workspace's REST API, and
// faults on demand. It judges clients, so it shares no code with this
// project's client side.
//
//	s, err := local.Start(ctx, local.Options{})
//	defer s.Close()
//	vars, err := s.Env("") // DATABRICKS_HOST, DATABRICKS_TOKEN, ... for any client
//
// Everything listens on loopback only. What is kept in Options.DataDir
// includes keys and credentials, readable by its owner alone; they open this
// server and nothing else.
//
// What is not here: the past (branches are copies of the present), Unity
// Catalog, synced tables, and the sizes and prices of computes. A branch's
// expiry and an endpoint's Postgres settings are kept and shown, and have no
// effect.
package local
