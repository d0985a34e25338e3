"""Queries with psycopg 3. libpq's variables say where."""

import psycopg

with psycopg.connect() as connection:  # commits at the end
    connection.execute("CREATE TABLE IF NOT EXISTS lakes (name text PRIMARY KEY, depth_m int NOT NULL)")
    with connection.cursor() as cursor:
        cursor.executemany(
            "INSERT INTO lakes VALUES (%s, %s) ON CONFLICT DO NOTHING",
            [("Baikal", 1642), ("Tanganyika", 1470), ("Geneva", 310)],
        )
    for name, depth in connection.execute("SELECT name, depth_m FROM lakes WHERE depth_m > %s ORDER BY name", [1000]):
        print(name, depth)
