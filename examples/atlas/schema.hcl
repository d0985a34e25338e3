schema "lakes" {}

table "lakes" {
  schema = schema.lakes
  column "name" {
    type = text
  }
  column "depth_m" {
    type = integer
  }
  primary_key {
    columns = [column.name]
  }
}
