import java.sql.Connection;
import java.sql.DatabaseMetaData;
import java.sql.DriverManager;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.ResultSetMetaData;
import java.sql.SQLException;
import java.sql.Statement;
import java.sql.Timestamp;
import java.sql.Types;
import java.time.Instant;
import java.time.OffsetDateTime;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Calendar;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.TimeZone;
import java.util.UUID;

/** Does what DBeaver and others do, through the official driver. `Client.java URL NAME=VALUE…`; prints JSON. */
public class Client {
    static final UUID ID = UUID.fromString("01935000-0000-7000-8000-00000a111111");

    static final String EVERY_TYPE = """
        SELECT 18446744073709551615::UInt64 AS whole, -1.5::Float64 AS real, nan AS bad, -inf AS endless,
            'it''s 🦊\\t\\\\' AS text, toLowCardinality('x') AS low, NULL::Nullable(Float64) AS missing,
            toDateTime64('2025-01-02 03:04:05.678901', 6, 'UTC') AS moment, [1.5, nan]::Array(Float64) AS list,
            map('a', 1::UInt8) AS mapped, toUUID('01935000-0000-7000-8000-00000a111111') AS id, true AS yes,
            toDate('2025-01-02') AS day, 1.50::Decimal(9, 2) AS price""";

    public static void main(String[] arguments) throws Exception {
        Properties properties = new Properties();
        for (String argument : Arrays.asList(arguments).subList(1, arguments.length)) {
            properties.setProperty(argument.substring(0, argument.indexOf('=')), argument.substring(argument.indexOf('=') + 1));
        }
        Map<String, Object> said = new LinkedHashMap<>();
        try (Connection connection = DriverManager.getConnection(arguments[0], properties)) {
            said.put("door", code(connection, "SELECT 1"));
            if (said.get("door").equals(0)) {
                said.put("valid", connection.isValid(10));
                said.put("tree", tree(connection.getMetaData()));
                said.put("types", types(connection));
                said.put("parameters", parameters(connection));
                said.put("runs", runs(connection));
                said.put("chart", chart(connection));
                said.put("large", large(connection));
                said.put("unknown", code(connection, "SELECT 1 FROM nowhere"));
                said.put("insert", code(connection, "INSERT INTO series (rank) VALUES (1)"));
                said.put("drop", code(connection, "DROP TABLE point"));
                said.put("broken", broken(connection));
                said.put("cancelled", cancelled(connection));
            }
        }
        System.out.println(json(said));
    }

    /** What a tree of databases, tables and columns is made of. */
    static Map<String, Object> tree(DatabaseMetaData about) throws SQLException {
        Map<String, Object> found = new LinkedHashMap<>();
        found.put("product", about.getDatabaseProductName());
        found.put("version", about.getDatabaseProductVersion());
        found.put("read_only", about.isReadOnly());
        found.put("catalogs", column(about.getCatalogs(), "TABLE_CAT"));
        found.put("schemas", column(about.getSchemas(), "TABLE_SCHEM"));
        found.put("tables", column(about.getTables(null, "runstream", "%", null), "TABLE_NAME"));
        found.put("views", column(about.getTables(null, "runstream", "run%", new String[] {"VIEW"}), "TABLE_NAME"));
        Map<String, Object> columns = new LinkedHashMap<>();
        try (ResultSet rows = about.getColumns(null, "runstream", "runs", "%")) {
            while (rows.next()) {
                columns.put(rows.getString("COLUMN_NAME"), rows.getString("TYPE_NAME"));
            }
        }
        found.put("columns", columns);
        return found;
    }

    static Map<String, Object> types(Connection connection) throws SQLException {
        Map<String, Object> found = new LinkedHashMap<>();
        try (Statement statement = connection.createStatement(); ResultSet rows = statement.executeQuery(EVERY_TYPE)) {
            ResultSetMetaData about = rows.getMetaData();
            rows.next();
            for (int n = 1; n <= about.getColumnCount(); n++) {
                found.put(about.getColumnLabel(n), rows.getObject(n));
            }
            found.put("shown", rows.getTimestamp("moment"));
            found.put("whole", rows.getString("whole"));
            found.put("bad", rows.getDouble("bad"));
            found.put("moment", rows.getObject("moment", OffsetDateTime.class).toInstant());
            found.put("list", Arrays.asList((Object[]) rows.getArray("list").getArray()));
            found.put("missing", rows.getDouble("missing"));
            found.put("was_null", rows.wasNull());
        }
        return found;
    }

    static List<Object> parameters(Connection connection) throws SQLException {
        String sql = "SELECT ?, ?, ?, run_id, ? IS NULL, started < ?, started < ? FROM runs WHERE run_id = ?";
        try (PreparedStatement statement = connection.prepareStatement(sql)) {
            statement.setString(1, "a\tb\\c 'd' \"e\" 🦊 ? {x:String}");
            statement.setLong(2, Long.MIN_VALUE + 1);
            statement.setDouble(3, 0.1);
            statement.setNull(4, Types.VARCHAR);
            statement.setTimestamp(5, Timestamp.from(Instant.parse("2025-10-09T08:53:20Z")));
            statement.setTimestamp(6, Timestamp.from(Instant.parse("2025-10-09T08:53:21Z")));
            statement.setObject(7, ID);
            try (ResultSet rows = statement.executeQuery()) {
                rows.next();
                List<Object> found = new ArrayList<>();
                for (int n = 1; n <= 7; n++) {
                    found.add(rows.getString(n));
                }
                return found;
            }
        }
    }

    static List<Object> runs(Connection connection) throws SQLException {
        List<Object> found = new ArrayList<>();
        Calendar utc = Calendar.getInstance(TimeZone.getTimeZone("UTC"));
        try (Statement statement = connection.createStatement();
                ResultSet rows = statement.executeQuery("SELECT * FROM runs ORDER BY name, run_id")) {
            while (rows.next()) {
                found.add(Arrays.asList(
                    rows.getString("name"), rows.getTimestamp("started", utc).toInstant(), rows.getDouble("duration_s")));
            }
        }
        return found;
    }

    static long chart(Connection connection) throws SQLException {
        String sql = "SELECT count() FROM chart(metric = ?, runs = [?], points = ?, step_min = 0, step_max = 1000)";
        try (PreparedStatement statement = connection.prepareStatement(sql)) {
            statement.setString(1, "train/loss");
            statement.setObject(2, ID);
            statement.setInt(3, 1000);
            try (ResultSet rows = statement.executeQuery()) {
                rows.next();
                return rows.getLong(1);
            }
        }
    }

    static long large(Connection connection) throws SQLException {
        String sql = "SELECT number, toString(number) AS text FROM numbers(3000000)";
        long sum = 0;
        try (Statement statement = connection.createStatement(); ResultSet rows = statement.executeQuery(sql)) {
            while (rows.next()) {
                sum += rows.getLong(1);
            }
        }
        return sum;
    }

    /** A statement that fails after millions of rows; its rows are single bytes, so that any byte looks like one. */
    static boolean broken(Connection connection) throws SQLException {
        String sql = "SELECT throwIf(number = 3000000) FROM numbers(10000000)";
        try (Statement statement = connection.createStatement(); ResultSet rows = statement.executeQuery(sql)) {
            while (rows.next()) {}
            return false;
        } catch (SQLException error) {
            return true;
        }
    }

    static int cancelled(Connection connection) throws Exception {
        String sql = "SELECT sum(sipHash64(number)) FROM numbers(100000000000)";
        try (Statement statement = connection.createStatement()) {
            int[] code = {-1};
            Thread asking = new Thread(() -> {
                try (ResultSet rows = statement.executeQuery(sql)) {
                    code[0] = 0;
                } catch (SQLException error) {
                    code[0] = error.getErrorCode();
                }
            });
            asking.start();
            // Before the statement has begun there is nothing to cancel.
            while (asking.isAlive()) {
                statement.cancel();
                asking.join(100);
            }
            return code[0];
        }
    }

    static int code(Connection connection, String sql) {
        try (Statement statement = connection.createStatement()) {
            statement.execute(sql);
            return 0;
        } catch (SQLException error) {
            return error.getErrorCode();
        }
    }

    static List<Object> column(ResultSet rows, String name) throws SQLException {
        List<Object> found = new ArrayList<>();
        try (rows) {
            while (rows.next()) {
                found.add(rows.getString(name));
            }
        }
        return found;
    }

    static String json(Object value) {
        if (value instanceof Map<?, ?> map) {
            return "{" + String.join(", ", map.entrySet().stream().map(e -> json(e.getKey()) + ": " + json(e.getValue())).toList()) + "}";
        }
        if (value instanceof List<?> list) {
            return "[" + String.join(", ", list.stream().map(Client::json).toList()) + "]";
        }
        if (value == null || value instanceof Boolean || value instanceof Number number && Double.isFinite(number.doubleValue())) {
            return String.valueOf(value);
        }
        StringBuilder text = new StringBuilder();
        for (char one : String.valueOf(value).toCharArray()) {
            text.append(one >= ' ' && one < 127 && one != '"' && one != '\\' ? String.valueOf(one) : String.format("\\u%04x", (int) one));
        }
        return '"' + text.toString() + '"';
    }
}
