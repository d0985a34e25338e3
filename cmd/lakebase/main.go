// Command lakebase connects to Databricks Lakebase, and runs a local one.
package main

func main() {}
