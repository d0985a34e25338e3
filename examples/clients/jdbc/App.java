import com.zaxxer.hikari.HikariConfig;
import com.zaxxer.hikari.HikariDataSource;
import java.util.List;
import org.springframework.jdbc.core.JdbcTemplate;
import org.springframework.jdbc.datasource.DataSourceTransactionManager;
import org.springframework.transaction.support.TransactionTemplate;

/** Queries by a pool of HikariCP, with the JDBC driver and Spring's JdbcTemplate. */
public class App {
    public static void main(String[] args) {
        HikariConfig config = new HikariConfig();
        config.setJdbcUrl("jdbc:postgresql://" + env("PGHOST") + ":" + env("PGPORT") + "/" + env("PGDATABASE"));
        config.setUsername(env("PGUSER"));
        config.setPassword(env("PGPASSWORD"));
        config.addDataSourceProperty("sslmode", env("PGSSLMODE"));
        config.setMaximumPoolSize(2); // the proxy has the large pool
        try (HikariDataSource pool = new HikariDataSource(config)) {
            JdbcTemplate jdbc = new JdbcTemplate(pool);
            jdbc.execute("CREATE TABLE IF NOT EXISTS lakes (name text PRIMARY KEY, depth_m int NOT NULL)");
            new TransactionTemplate(new DataSourceTransactionManager(pool)).execute(status -> jdbc.batchUpdate(
                "INSERT INTO lakes VALUES (?, ?) ON CONFLICT DO NOTHING",
                List.of(new Object[] {"Baikal", 1642}, new Object[] {"Tanganyika", 1470}, new Object[] {"Geneva", 310})));
            jdbc.query("SELECT name, depth_m FROM lakes WHERE depth_m > ? ORDER BY name", new Object[] {1000},
                row -> { System.out.println(row.getString("name") + " " + row.getInt("depth_m")); });
        }
    }

    private static String env(String name) {
        return System.getenv(name);
    }
}
