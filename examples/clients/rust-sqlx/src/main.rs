//! Queries with sqlx. DATABASE_URL says where.

use sqlx::postgres::PgPoolOptions;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    // A small pool: the proxy has the large one.
    let pool = PgPoolOptions::new().max_connections(2).connect(&std::env::var("DATABASE_URL")?).await?;
    sqlx::query("CREATE TABLE IF NOT EXISTS lakes (name text PRIMARY KEY, depth_m int NOT NULL)").execute(&pool).await?;
    let mut tx = pool.begin().await?;
    for (name, depth) in [("Baikal", 1642), ("Tanganyika", 1470), ("Geneva", 310)] {
        sqlx::query("INSERT INTO lakes VALUES ($1, $2) ON CONFLICT DO NOTHING").bind(name).bind(depth).execute(&mut *tx).await?;
    }
    tx.commit().await?;
    let lakes: Vec<(String, i32)> = sqlx::query_as("SELECT name, depth_m FROM lakes WHERE depth_m > $1 ORDER BY name")
        .bind(1000).fetch_all(&pool).await?;
    for (name, depth) in lakes {
        println!("{name} {depth}");
    }
    Ok(())
}
