# The state of Terraform in Lakebase. It reads the variables of libpq.
terraform {
  backend "pg" {
    schema_name = "terraform_state"
  }
}
