"""Tries what a client of the proxy should be able to do, with psycopg, psycopg2
or asyncpg (argv[1]), by libpq's environment. Prints one JSON object: for each
skill "ok" or what went wrong."""

import asyncio
import io
import json
import os
import sys
import threading
import time
import traceback

DRIVER = sys.argv[1]
NAME, ROLE = os.environ["INTEROP_NAME"], os.environ["INTEROP_ROLE"]
SHARED = os.environ["INTEROP_MODE"] == "transaction"
LARGE = "select repeat('x', 1000) from generate_series(1, 100000)"
SLEEP = f"select pg_sleep(600) as {NAME}"
ACTIVE = f"select count(*) from pg_stat_activity where state = 'active' and query = '{SLEEP}'"


class Wrong(Exception):
    pass


def same(what, got, want):
    if got != want:
        raise Wrong(f"{what}: {got!r}, not {want!r}")


class Libpq:
    """psycopg and psycopg2, which are much alike."""

    def __init__(self):
        self.driver = __import__(DRIVER)
        self.connection = self.driver.connect("")
        self.connection.autocommit = True

    @property
    def errors(self):
        return self.driver.Error

    def do(self, sql, *args):
        cursor = self.connection.cursor()
        cursor.execute(sql.replace("$1", "%s"), args or None)
        return cursor.fetchall() if cursor.description else None

    def code(self, error):
        return getattr(error, "sqlstate", None) or getattr(error, "pgcode", None)

    def begin(self):
        self.connection.autocommit = False

    def end(self, commit):
        self.connection.commit() if commit else self.connection.rollback()
        self.connection.autocommit = True

    def prepare(self, sql):
        if DRIVER == "psycopg2":
            return None  # it has none
        cursor = self.connection.cursor()
        return lambda n: cursor.execute(sql.replace("$1", "%s"), (n,), prepare=True).fetchone()

    def keep_few_prepared(self):
        self.connection.prepared_max = 3

    def copy_in(self, table, content):
        cursor = self.connection.cursor()
        if DRIVER == "psycopg2":
            cursor.copy_expert(f"copy {table} from stdin", io.BytesIO(content))
            return
        with cursor.copy(f"copy {table} from stdin") as copy:
            for start in range(0, len(content), 10_000):
                copy.write(content[start : start + 10_000])

    def copy_out(self, table):
        cursor = self.connection.cursor()
        if DRIVER == "psycopg2":
            out = io.BytesIO()
            cursor.copy_expert(f"copy {table} to stdout", out)
            return out.getvalue()
        with cursor.copy(f"copy {table} to stdout") as copy:
            return b"".join(copy)

    def canceled(self, watch):
        errors = []

        def sleep():
            try:
                self.do(SLEEP)
            except self.errors as error:
                errors.append(error)

        thread = threading.Thread(target=sleep)
        thread.start()
        while watch.do(ACTIVE)[0][0] != 1:
            time.sleep(0.005)
        self.connection.cancel()
        thread.join(30)
        return self.code(errors[0]) if errors else None

    def close(self):
        self.connection.close()


class Asyncpg:
    """The same by asyncpg, which speaks the protocol itself."""

    def __init__(self):
        self.driver = __import__(DRIVER)
        self.loop = asyncio.get_event_loop()
        self.transaction = None
        self.connect()

    def connect(self, **options):
        settings = {"application_name": os.environ["PGAPPNAME"]}  # it does not read that
        self.connection = self.wait(self.driver.connect(server_settings=settings, **options))

    def wait(self, awaitable):
        return self.loop.run_until_complete(awaitable)

    @property
    def errors(self):
        return self.driver.PostgresError

    def do(self, sql, *args):
        return [tuple(row) for row in self.wait(self.connection.fetch(sql, *args))]

    def code(self, error):
        return getattr(error, "sqlstate", None)

    def begin(self):
        self.transaction = self.connection.transaction()
        self.wait(self.transaction.start())

    def end(self, commit):
        self.wait(self.transaction.commit() if commit else self.transaction.rollback())

    def prepare(self, sql):
        statement = self.wait(self.connection.prepare(sql))
        return lambda n: tuple(self.wait(statement.fetchrow(n)))

    def keep_few_prepared(self):
        self.close()
        self.connect(statement_cache_size=3)

    def copy_in(self, table, content):
        self.wait(self.connection.copy_to_table(table, source=io.BytesIO(content)))

    def copy_out(self, table):
        out = io.BytesIO()
        self.wait(self.connection.copy_from_table(table, output=out))
        return out.getvalue()

    def canceled(self, watch):
        async def sleep():
            task = asyncio.ensure_future(self.connection.execute(SLEEP))
            while await watch.connection.fetchval(ACTIVE) != 1:
                await asyncio.sleep(0.005)
            task.cancel()
            try:
                await task
            except asyncio.CancelledError:
                return "57014"  # which it does not show

        return self.wait(asyncio.wait_for(sleep(), 30))

    def close(self):
        self.wait(self.connection.close())


Client = Asyncpg if DRIVER == "asyncpg" else Libpq


def refused(client, code, sql, *args):
    try:
        client.do(sql, *args)
    except client.errors as error:
        same(sql, client.code(error), code)
    else:
        raise Wrong(f"{sql} was not refused")


def connect(client):
    same("role", client.do("select current_user")[0][0], ROLE)
    same("application", client.do("show application_name")[0][0], NAME)


def transaction(client):
    table = NAME + "_transaction"
    client.do(f"create table {table} (n int primary key)")
    client.begin()
    client.do(f"insert into {table} select generate_series(1, 1000)")
    client.end(commit=False)
    same("after a rollback", client.do(f"select count(*) from {table}"), [(0,)])
    client.begin()
    client.do(f"insert into {table} select generate_series(1, 1000)")
    client.do("savepoint before_mistake")
    refused(client, "23505", f"insert into {table} values (7)")
    client.do("rollback to before_mistake")
    client.end(commit=True)
    same("after a commit", client.do(f"select sum(n)::int from {table}"), [(500500,)])
    client.do(f"drop table {table}")


def prepared(client):
    execute = client.prepare("select pg_backend_pid(), $1::int + 1")
    backends, n = set(), 0
    while n < 100 or SHARED and len(backends) < 2 and n < 5000:
        pid, total = execute(n)
        same("sum", total, n + 1)
        backends.add(pid)
        n += 1
    same("on several server connections", len(backends) > 1, SHARED)


def evicted(client):
    """More statements than it keeps: it closes those that were used least."""
    client.keep_few_prepared()
    for n in range(16):
        same("sum", client.prepare(f"select {n % 8} + $1::int")(n)[0], n % 8 + n)
        same("number", client.do(f"select {n % 8}"), [(n % 8,)])


def copy(client):
    table = NAME + "_copy"
    content = "".join(f"{n}\tz\u00fcrich \u6e56 {'lake' * 25}\n" for n in range(10_000)).encode()
    client.do(f"create table {table} (n int, body text)")
    client.copy_in(table, content)
    same("rows", client.do(f"select count(*) from {table}"), [(10_000,)])
    same("copied back", client.copy_out(table) == content, True)
    client.do(f"drop table {table}")


def cancel(client):
    watch = Client()
    try:
        same("canceled", client.canceled(watch), "57014")
        while watch.do(ACTIVE)[0][0] != 0:
            time.sleep(0.005)
    finally:
        watch.close()
    same("afterwards", client.do("select 1"), [(1,)])


def large(client):
    rows = client.do(LARGE)
    same("size", (len(rows), sum(len(row[0]) for row in rows)), (100_000, 100_000_000))


def schema(client):
    """While the columns of a table change, each row is read as what it is, or refused as by PostgreSQL."""
    table, right = NAME + "_schema", {"v": [(5,)], "w": [("five",)]}
    query, changes = f"select * from {table} where $1::int > 0", {
        "v": f"alter table {table} drop column w, add column v int default 5",
        "w": f"alter table {table} drop column v, add column w text default 'five'",
    }
    client.do(f"create table {table} (v int default 5)")
    client.do(f"insert into {table} values (5)")
    reads, wrong, ended = [], [], threading.Event()

    def read():
        try:
            asyncio.set_event_loop(asyncio.new_event_loop())
            reader = Client()
            while not ended.is_set():
                try:
                    rows = reader.do(query, 1)
                    if rows not in right.values():
                        wrong.append(rows)
                    reads.append(len(rows))
                except reader.errors as refusal:
                    same("refusal", reader.code(refusal), "0A000")
                    reader.close()
                    reader = Client()
            reader.close()
        except Exception as failure:
            wrong.append(repr(failure))

    readers = [threading.Thread(target=read) for _ in range(3)]
    for reader in readers:
        reader.start()
    for column in ["w", "v"] * 10:
        client.do(changes[column])
        before = len(reads)
        while len(reads) < before + 10 and not wrong:
            time.sleep(0.001)
    ended.set()
    for reader in readers:
        reader.join(30)
    same("wrong rows", wrong, [])
    if DRIVER == "asyncpg":  # it prepares again what PostgreSQL refuses for that reason
        reader = Client()
        for column in ["w", "v"] * 3:
            client.do(changes[column])
            same("after a change", [reader.do(query, 1) for _ in range(3)], [right[column]] * 3)
        reader.close()
    client.do(f"drop table {table}")


def error(client):
    refused(client, "22012", "select 1/0")
    same("afterwards", client.do("select 1"), [(1,)])
    client.begin()
    refused(client, "42601", "selec")
    refused(client, "25P02", "select 1")
    client.end(commit=False)
    refused(client, "22012", "select 1/$1::int", 0)
    same("in the end", client.do("select 2"), [(2,)])


def main():
    report, client = {}, None
    skills = {"connect": connect, "transaction": transaction, "prepared": prepared, "evicted": evicted, "copy": copy,
              "cancel": cancel, "100 MB": large, "schema": schema, "error": error}
    if DRIVER == "psycopg2":
        del skills["prepared"], skills["evicted"], skills["schema"]
    for name, attempt in skills.items():
        try:
            client = client or Client()
            attempt(client)
            report[name] = "ok"
        except Exception as wrong:
            at = traceback.extract_tb(wrong.__traceback__)[-1]
            code = getattr(wrong, "sqlstate", None)
            report[name] = f"{type(wrong).__name__} {code} in {at.name}: {wrong}"
            client = None
    if client:
        client.close()
    print(json.dumps(report))


main()
