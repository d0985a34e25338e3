import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.nio.charset.StandardCharsets;
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Savepoint;
import java.sql.Statement;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import org.postgresql.PGConnection;
import org.postgresql.PGStatement;
import org.postgresql.largeobject.LargeObject;
import org.postgresql.largeobject.LargeObjectManager;

/**
 * Tries what a client of the proxy should be able to do, with the JDBC driver, by libpq's
 * environment. Prints one JSON object: for each skill "ok" or what went wrong.
 */
public class Proxied {
    private static final String NAME = System.getenv("INTEROP_NAME");
    private static final boolean SHARED = System.getenv("INTEROP_MODE").equals("transaction");
    private static final String SLEEP = "select pg_sleep(600) as " + NAME;

    private interface Attempt {
        void with(Connection c) throws Exception;
    }

    public static void main(String[] args) throws Exception {
        Map<String, Attempt> skills = new LinkedHashMap<>();
        skills.put("connect", Proxied::connects);
        skills.put("transaction", Proxied::transacts);
        skills.put("prepared", Proxied::prepares);
        skills.put("evicted", Proxied::evicts);
        skills.put("copy", Proxied::copies);
        skills.put("cancel", Proxied::cancels);
        skills.put("100 MB", Proxied::fetches);
        skills.put("schema", Proxied::survivesChanges);
        skills.put("error", Proxied::errs);
        StringBuilder report = new StringBuilder();
        Connection connection = null;
        for (Map.Entry<String, Attempt> skill : skills.entrySet()) {
            String result = "ok";
            try {
                if (connection == null) {
                    connection = connect();
                }
                skill.getValue().with(connection);
            } catch (Exception e) {
                result = e.toString().replaceAll("[^ -!#-\\[\\]-~]", " ");
                connection = null;
            }
            report.append(report.length() == 0 ? "{" : ", ").append('"').append(skill.getKey()).append("\": \"").append(result).append('"');
        }
        if (connection != null) {
            connection.close();
        }
        System.out.println(report.append("}"));
        System.exit(0); // a query that was not canceled has a thread
    }

    private static Connection connect() throws SQLException {
        Properties p = new Properties();
        p.setProperty("user", System.getenv("PGUSER"));
        p.setProperty("ApplicationName", NAME);
        p.setProperty("preparedStatementCacheQueries", "3");
        p.setProperty("sslmode", System.getenv("PGSSLMODE"));
        if (System.getenv("PGPASSWORD") != null) {
            p.setProperty("password", System.getenv("PGPASSWORD"));
        }
        if (System.getenv("PGSSLROOTCERT") != null) {
            p.setProperty("sslrootcert", System.getenv("PGSSLROOTCERT"));
        }
        return DriverManager.getConnection(
            "jdbc:postgresql://" + System.getenv("PGHOST") + ":" + System.getenv("PGPORT") + "/" + System.getenv("PGDATABASE"), p);
    }

    private static void same(String what, Object got, Object want) {
        if (!got.equals(want)) {
            throw new IllegalStateException(what + ": " + got + ", not " + want);
        }
    }

    private static void does(Connection c, String sql) throws SQLException {
        try (Statement s = c.createStatement()) {
            s.execute(sql);
        }
    }

    private static String value(Connection c, String sql) throws SQLException {
        try (Statement s = c.createStatement(); ResultSet rows = s.executeQuery(sql)) {
            rows.next();
            return rows.getString(1);
        }
    }

    private static void refused(Connection c, String code, String sql) {
        try {
            does(c, sql);
        } catch (SQLException e) {
            same(sql, e.getSQLState(), code);
            return;
        }
        throw new IllegalStateException(sql + " was not refused");
    }

    private static void connects(Connection c) throws SQLException {
        same("role", value(c, "select current_user"), System.getenv("INTEROP_ROLE"));
        same("application", value(c, "show application_name"), NAME);
    }

    private static void transacts(Connection c) throws SQLException {
        String table = NAME + "_transaction";
        does(c, "create table " + table + " (n int primary key)");
        c.setAutoCommit(false);
        does(c, "insert into " + table + " select generate_series(1, 1000)");
        c.rollback();
        same("after a rollback", value(c, "select count(*) from " + table), "0");
        does(c, "insert into " + table + " select generate_series(1, 1000)");
        Savepoint beforeMistake = c.setSavepoint();
        refused(c, "23505", "insert into " + table + " values (7)");
        c.rollback(beforeMistake);
        same("a large object", largeObject(c), true);
        c.commit();
        same("after a commit", value(c, "select sum(n) from " + table), "500500");
        c.commit();
        c.setAutoCommit(true);
        does(c, "drop table " + table);
    }

    /** Large objects are read and written by FunctionCall messages. */
    private static boolean largeObject(Connection c) throws SQLException {
        LargeObjectManager large = c.unwrap(PGConnection.class).getLargeObjectAPI();
        byte[] content = new byte[1 << 20];
        Arrays.fill(content, (byte) 'x');
        long id = large.createLO();
        try (LargeObject o = large.open(id)) {
            o.write(content);
            o.seek(0);
            return Arrays.equals(o.read(content.length), content);
        } finally {
            large.delete(id);
        }
    }

    private static void prepares(Connection c) throws SQLException {
        Set<Integer> backends = new HashSet<>();
        try (PreparedStatement s = c.prepareStatement("select pg_backend_pid(), ?::int + 1")) {
            for (int n = 0; n < 100 || SHARED && backends.size() < 2 && n < 5000; n++) {
                s.setInt(1, n); // after five times it has a name
                try (ResultSet rows = s.executeQuery()) {
                    rows.next();
                    backends.add(rows.getInt(1));
                    same("sum", rows.getInt(2), n + 1);
                }
            }
        }
        same("on several server connections", backends.size() > 1, SHARED);
        does(c, "create table " + NAME + "_batch (n int)");
        try (PreparedStatement s = c.prepareStatement("insert into " + NAME + "_batch values (?)")) {
            for (int n = 0; n < 1000; n++) {
                s.setInt(1, n);
                s.addBatch();
            }
            same("batch", s.executeBatch().length, 1000);
        }
        same("rows", value(c, "select count(*) from " + NAME + "_batch"), "1000");
        does(c, "drop table " + NAME + "_batch");
    }

    /** More statements than it keeps: it closes those that were used least. */
    private static void evicts(Connection c) throws SQLException {
        for (int n = 0; n < 16; n++) {
            try (PreparedStatement s = c.prepareStatement("select " + n % 8 + " + ?::int")) {
                s.unwrap(PGStatement.class).setPrepareThreshold(1);
                s.setInt(1, n);
                try (ResultSet rows = s.executeQuery()) {
                    rows.next();
                    same("sum", rows.getInt(1), n % 8 + n);
                }
            }
        }
    }

    private static void copies(Connection c) throws Exception {
        String table = NAME + "_copy";
        StringBuilder lines = new StringBuilder();
        for (int n = 0; n < 10_000; n++) {
            lines.append(n).append("\tz\u00fcrich \u6e56 ").append("lake".repeat(25)).append('\n');
        }
        byte[] content = lines.toString().getBytes(StandardCharsets.UTF_8);
        does(c, "create table " + table + " (n int, body text)");
        PGConnection pg = c.unwrap(PGConnection.class);
        same("copied in", pg.getCopyAPI().copyIn("copy " + table + " from stdin", new ByteArrayInputStream(content)), 10_000L);
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        same("copied out", pg.getCopyAPI().copyOut("copy " + table + " to stdout", out), 10_000L);
        same("copied back", Arrays.equals(out.toByteArray(), content), true);
        does(c, "drop table " + table);
    }

    private static void cancels(Connection c) throws Exception {
        String active = "select count(*) from pg_stat_activity where state = 'active' and query = '" + SLEEP + "'";
        try (Connection watch = connect(); Statement s = c.createStatement()) {
            CompletableFuture<String> ended = CompletableFuture.supplyAsync(() -> {
                try {
                    s.execute(SLEEP);
                    return "done";
                } catch (SQLException e) {
                    return e.getSQLState();
                }
            });
            while (value(watch, active).equals("0") && !ended.isDone()) {
                Thread.sleep(5);
            }
            s.cancel();
            same("canceled", ended.get(30, TimeUnit.SECONDS), "57014");
            while (!value(watch, active).equals("0")) {
                Thread.sleep(5);
            }
        }
        same("afterwards", value(c, "select 1"), "1");
    }

    /** By a portal that is fetched from again and again. */
    private static void fetches(Connection c) throws SQLException {
        c.setAutoCommit(false);
        long size = 0;
        int count = 0;
        try (Statement s = c.createStatement()) {
            s.setFetchSize(10_000);
            try (ResultSet rows = s.executeQuery("select repeat('x', 1000) from generate_series(1, 100000)")) {
                for (; rows.next(); count++) {
                    size += rows.getString(1).length();
                }
            }
        }
        c.commit();
        c.setAutoCommit(true);
        same("rows", count, 100_000);
        same("size", size, 100_000_000L);
    }

    /**
     * While the columns of a table change, each row is read as what it is, or refused as by
     * PostgreSQL.
     */
    private static void survivesChanges(Connection c) throws Exception {
        String table = NAME + "_schema";
        String query = "select * from " + table + " where ?::int > 0";
        String[] changes = {
            "alter table " + table + " drop column v, add column w text default 'five'",
            "alter table " + table + " drop column w, add column v int default 5",
        };
        String[] right = {"w:five", "v:5"};
        does(c, "create table " + table + " (v int default 5)");
        does(c, "insert into " + table + " values (5)");
        AtomicInteger reads = new AtomicInteger();
        AtomicBoolean ended = new AtomicBoolean();
        List<CompletableFuture<Void>> readers = new ArrayList<>();
        for (int i = 0; i < 3; i++) {
            readers.add(CompletableFuture.runAsync(() -> {
                try (Connection reader = connect(); PreparedStatement s = prepared(reader, query)) {
                    while (!ended.get()) {
                        try {
                            same("a row", Arrays.asList(right).contains(row(s)), true);
                            reads.incrementAndGet();
                        } catch (SQLException e) {
                            same("a refusal", e.getSQLState(), "0A000");
                        }
                    }
                } catch (SQLException e) {
                    throw new IllegalStateException(e);
                }
            }));
        }
        for (int n = 0; n < 20; n++) {
            does(c, changes[n % 2]);
            int enough = reads.get() + 10;
            while (reads.get() < enough && readers.stream().noneMatch(CompletableFuture::isDone)) {
                Thread.sleep(1);
            }
        }
        ended.set(true);
        for (CompletableFuture<Void> reader : readers) {
            reader.get(30, TimeUnit.SECONDS);
        }
        // It prepares again what PostgreSQL refuses for that reason.
        try (Connection reader = connect(); PreparedStatement s = prepared(reader, query)) {
            for (int n = 0; n < 20; n++) {
                does(c, changes[n % 2]);
                same("after a change", row(s), right[n % 2]);
                same("once more", row(s), right[n % 2]);
            }
        }
        does(c, "drop table " + table);
    }

    private static PreparedStatement prepared(Connection c, String sql) throws SQLException {
        PreparedStatement s = c.prepareStatement(sql);
        s.unwrap(PGStatement.class).setPrepareThreshold(1);
        return s;
    }

    /** The only row of the only column, with its name. */
    private static String row(PreparedStatement s) throws SQLException {
        s.setInt(1, 1);
        try (ResultSet rows = s.executeQuery()) {
            rows.next();
            return rows.getMetaData().getColumnName(1) + ":" + rows.getObject(1);
        }
    }

    private static void errs(Connection c) throws SQLException {
        refused(c, "22012", "select 1/0");
        same("afterwards", value(c, "select 1"), "1");
        c.setAutoCommit(false);
        refused(c, "42601", "selec");
        refused(c, "25P02", "select 1");
        c.rollback();
        c.setAutoCommit(true);
        try (PreparedStatement s = c.prepareStatement("select 1/?::int")) {
            for (int n = 0; n < 10; n++) {
                s.setInt(1, 0);
                try {
                    s.executeQuery();
                    throw new IllegalStateException("a division by zero was not refused");
                } catch (SQLException e) {
                    same("division by zero", e.getSQLState(), "22012");
                }
            }
            s.setInt(1, 1);
            try (ResultSet rows = s.executeQuery()) {
                rows.next();
                same("in the end", rows.getInt(1), 1);
            }
        }
    }
}
