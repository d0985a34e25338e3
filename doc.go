// Package lakebase connects Go programs to Databricks Lakebase.
package lakebase
