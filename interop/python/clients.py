"""Logs in with psycopg2 or psycopg (argv[1]) by libpq's environment and prints
one JSON object: a query with parameters, a refused statement, COPY both ways."""

import importlib
import io
import json
import sys

driver = importlib.import_module(sys.argv[1])


def copy_both_ways(cursor, content):
    if driver.__name__ == "psycopg2":
        cursor.copy_expert("copy t from stdin", io.StringIO(content))
        out = io.StringIO()
        cursor.copy_expert("copy t to stdout", out)
        return out.getvalue()
    with cursor.copy("copy t from stdin") as copy:
        copy.write(content)
    with cursor.copy("copy t to stdout") as copy:
        return b"".join(copy).decode()


def parallel_statements(connection):
    """psycopg's pipeline mode: several statements before the first answer."""
    if driver.__name__ == "psycopg2":
        return None
    with connection.pipeline():
        cursors = [connection.execute("select %s::int * 2", [n]) for n in range(100)]
        return sum(c.fetchone()[0] for c in cursors)


connection = driver.connect("")
cursor = connection.cursor()
cursor.execute("select current_user, %s::int + 1", [41])
role, total = cursor.fetchone()
connection.commit()

try:
    cursor.execute("select 1/0")
    refused = None
except driver.Error as error:
    refused = getattr(error, "sqlstate", None) or error.pgcode
connection.rollback()

cursor.execute("create temporary table t (n int, body text)")
content = "".join(f"{n}\tz\u00fcrich\n" for n in range(10_000))
copied = copy_both_ways(cursor, content) == content
connection.commit()
pipelined = parallel_statements(connection)
connection.close()
print(json.dumps({"role": role, "sum": total, "refused": refused, "copied": copied, "pipelined": pipelined}))
