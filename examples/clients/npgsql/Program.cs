// Queries with Npgsql. `lakebase exec` sets the variables.
using Npgsql;

string Env(string name) => Environment.GetEnvironmentVariable(name)!;
var builder = new NpgsqlDataSourceBuilder($"Host={Env("PGHOST")};Port={Env("PGPORT")};Database={Env("PGDATABASE")};" +
    $"Username={Env("PGUSER")};Password={Env("PGPASSWORD")};SSL Mode=Disable;Maximum Pool Size=2");
await using var source = builder.Build();

await using (var create = source.CreateCommand("CREATE TABLE IF NOT EXISTS lakes (name text PRIMARY KEY, depth_m int NOT NULL)"))
    await create.ExecuteNonQueryAsync();
foreach (var (name, depth) in new[] { ("Baikal", 1642), ("Tanganyika", 1470), ("Geneva", 310) })
{
    await using var insert = source.CreateCommand("INSERT INTO lakes VALUES ($1, $2) ON CONFLICT DO NOTHING");
    insert.Parameters.AddWithValue(name);
    insert.Parameters.AddWithValue(depth);
    await insert.ExecuteNonQueryAsync();
}
await using var query = source.CreateCommand("SELECT name, depth_m FROM lakes WHERE depth_m > $1 ORDER BY name");
query.Parameters.AddWithValue(1000);
await using var rows = await query.ExecuteReaderAsync();
while (await rows.ReadAsync())
    Console.WriteLine($"{rows.GetString(0)} {rows.GetInt32(1)}");
