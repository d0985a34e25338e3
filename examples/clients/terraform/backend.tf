# The state of Terraform in Lakebase. PG_CONN_STR says where.
terraform {
  backend "pg" {
    schema_name = "terraform_state"
  }
}
