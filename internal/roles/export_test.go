package roles

// ExplainCreate explains a failed databricks_create_role.
func ExplainCreate(err error, name string, kind Kind, similar string, withToken bool) error {
	return creation{name: name, kind: kind, self: "me@example.com", similar: similar, withToken: withToken}.explainCreate(err)
}
