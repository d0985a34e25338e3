package compute

import "github.com/lakebase-go/lakebase/internal/postgres"

// DefaultDatabase is the database that every Lakebase starts with.
const DefaultDatabase = "databricks_postgres"

// bootstrap is the initial content of every data directory.
var bootstrap = postgres.ClusterOptions{
	Scripts: []postgres.Script{
		{Database: "postgres", SQL: createRolesSQL},
		{Database: "postgres", SQL: installSQL},
		{Database: "postgres", SQL: createDatabaseSQL},
		{Database: DefaultDatabase, SQL: prepareDatabaseSQL},
		{Database: DefaultDatabase, SQL: installSQL},
	},
	Extensions: []postgres.Extension{databricksAuth},
	HBA: `# The frontend asks members of databricks_gateway, which are the roles of
# identities, for a token; no other role reaches this server without a password.
local replication cloud_admin trust
local all cloud_admin trust
local all +databricks_gateway trust
local all all scram-sha-256
`,
}

// createRolesSQL can be repeated: an external server is prepared at each start.
const createRolesSQL = `
DO $$
DECLARE
	name text;
BEGIN
	FOREACH name IN ARRAY ARRAY['databricks_superuser', 'databricks_gateway', 'databricks_monitor',
			'databricks_control_plane', 'databricks_replicator', 'authenticator'] LOOP
		IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = name) THEN
			EXECUTE format('CREATE ROLE %I NOLOGIN', name);
		END IF;
	END LOOP;
END
$$;
GRANT pg_read_all_data, pg_write_all_data, pg_monitor, pg_signal_backend TO databricks_superuser;
GRANT CREATE ON DATABASE postgres TO databricks_superuser;
`

// installSQL makes tokens valid in a database, whose owner gets the extension. An
// external server may not have it.
const installSQL = `
DO $$
BEGIN
	EXECUTE format('SET LOCAL ROLE %s', (SELECT datdba::regrole FROM pg_database WHERE datname = current_database()));
	IF EXISTS (SELECT FROM pg_available_extensions WHERE name = 'databricks_auth') THEN
		CREATE EXTENSION IF NOT EXISTS databricks_auth;
	END IF;
END
$$`

const createDatabaseSQL = `CREATE DATABASE databricks_postgres OWNER databricks_superuser`

// prepareDatabaseSQL gives the schema public to the owner of the database,
// databricks_superuser. PostgreSQL 14 does not do that by itself.
const prepareDatabaseSQL = `
ALTER SCHEMA public OWNER TO pg_database_owner;
REVOKE CREATE ON SCHEMA public FROM PUBLIC;
`

// databricksAuth is the extension with which users create roles for identities. It
// also has what else the service adds to a database.
var databricksAuth = postgres.Extension{
	Name:    "databricks_auth",
	Version: "1.0",
	Control: `comment = 'Roles for Databricks identities'
default_version = '1.0'
relocatable = false
superuser = true
trusted = true
`,
	SQL: `
-- Runs with the rights of the server's own superuser, which may mark the new
-- role as an OAuth role. It grants nothing else.
CREATE FUNCTION databricks_create_role(identity text, type text) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
	IF NOT pg_has_role(session_user, 'databricks_gateway', 'MEMBER') THEN
		RAISE insufficient_privilege USING
			MESSAGE = 'only a session that logged in with an OAuth token can create roles for identities',
			HINT = 'Connect as your Databricks identity, with a database credential as the password.';
	END IF;
	IF NOT pg_has_role(session_user, 'databricks_superuser', 'MEMBER')
			AND NOT (SELECT rolcreaterole FROM pg_roles WHERE rolname = session_user) THEN
		RAISE insufficient_privilege USING
			MESSAGE = format('role "%s" may not create roles', session_user),
			HINT = 'It needs the CREATEROLE attribute or membership of databricks_superuser.';
	END IF;
	IF type IS NULL OR type NOT IN ('USER', 'SERVICE_PRINCIPAL', 'GROUP') THEN
		RAISE invalid_parameter_value USING
			MESSAGE = format('unknown identity type %L', type),
			HINT = 'Use USER, SERVICE_PRINCIPAL or GROUP.';
	END IF;
	IF identity IS NULL OR octet_length(identity) NOT BETWEEN 1 AND 63 THEN
		RAISE invalid_name USING
			MESSAGE = format('identity %L cannot be a role name: it must have 1 to 63 bytes', identity);
	END IF;
	IF EXISTS (SELECT FROM pg_roles WHERE rolname = identity) THEN
		RAISE duplicate_object USING
			MESSAGE = format('role "%s" already exists', identity);
	END IF;
	EXECUTE format('CREATE ROLE %I LOGIN', identity);
	EXECUTE format('COMMENT ON ROLE %I IS %L', identity, 'databricks identity: ' || type);
	EXECUTE format('GRANT databricks_gateway TO %I', identity);
	-- The caller may administer the role, and no more where Postgres can say so.
	IF session_user <> current_user THEN
		EXECUTE format('GRANT %I TO %I WITH ' || CASE WHEN current_setting('server_version_num')::int >= 160000
			THEN 'ADMIN TRUE, INHERIT FALSE, SET FALSE' ELSE 'ADMIN OPTION' END, identity, session_user);
	END IF;
END
$$;
COMMENT ON FUNCTION databricks_create_role(text, text) IS
	'Creates a role that logs in with the OAuth token of a Databricks identity: USER, SERVICE_PRINCIPAL or GROUP';

-- Roles that the function did not create have no comment: their names decide.
CREATE VIEW databricks_list_roles AS
SELECT r.rolname::text AS role_name,
       lower(coalesce(substring(shobj_description(r.oid, 'pg_authid') FROM '^databricks identity: (.*)$'),
                      CASE WHEN r.rolname ~ '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$' THEN 'SERVICE_PRINCIPAL'
                           WHEN position('@' IN r.rolname) > 0 THEN 'USER' ELSE 'GROUP' END)) AS identity_type
  FROM pg_roles r
 WHERE EXISTS (SELECT FROM pg_auth_members m WHERE m.member = r.oid AND m.roleid = to_regrole('databricks_gateway'));
GRANT SELECT ON databricks_list_roles TO PUBLIC;
COMMENT ON VIEW databricks_list_roles IS 'Roles of Databricks identities: user, service_principal or group';

CREATE SCHEMA __db_system;

-- The two roles that the service gives access to all that is created in a database.
DO $$
DECLARE
	role text;
BEGIN
	FOR role IN SELECT format('databricks_%s_%s', k, oid) FROM pg_database, unnest(ARRAY['reader', 'writer']) k
			WHERE datname = current_database() LOOP
		IF to_regrole(role) IS NULL THEN
			EXECUTE format('CREATE ROLE %I', role);
		END IF;
	END LOOP;
END
$$;

CREATE FUNCTION databricks_grant_on_create() RETURNS event_trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	db oid := (SELECT oid FROM pg_database WHERE datname = current_database());
	reader regrole := to_regrole('databricks_reader_' || db);
	writer regrole := to_regrole('databricks_writer_' || db);
	made record;
BEGIN
	IF reader IS NULL OR writer IS NULL THEN -- in a copy of another database
		RETURN;
	END IF;
	FOR made IN SELECT * FROM pg_event_trigger_ddl_commands() WHERE schema_name IS DISTINCT FROM 'pg_temp' LOOP
		CASE made.object_type
		WHEN 'schema' THEN
			EXECUTE format('GRANT USAGE ON SCHEMA %s TO %s, %s', made.object_identity, reader, writer);
		WHEN 'sequence' THEN
			EXECUTE format('GRANT SELECT ON SEQUENCE %s TO %s', made.object_identity, reader);
			EXECUTE format('GRANT ALL ON SEQUENCE %s TO %s', made.object_identity, writer);
		WHEN 'table', 'view', 'materialized view' THEN
			EXECUTE format('GRANT SELECT ON %s TO %s', made.object_identity, reader);
			EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE, TRUNCATE ON %s TO %s', made.object_identity, writer);
		ELSE
		END CASE;
	END LOOP;
END
$$;
REVOKE ALL ON FUNCTION databricks_grant_on_create() FROM PUBLIC;
CREATE EVENT TRIGGER on_create_schema ON ddl_command_end WHEN TAG IN ('CREATE SCHEMA')
	EXECUTE FUNCTION databricks_grant_on_create();
CREATE EVENT TRIGGER on_create_sequence ON ddl_command_end WHEN TAG IN ('CREATE SEQUENCE')
	EXECUTE FUNCTION databricks_grant_on_create();
CREATE EVENT TRIGGER on_create_table_or_view ON ddl_command_end
	WHEN TAG IN ('CREATE TABLE', 'CREATE TABLE AS', 'SELECT INTO', 'CREATE VIEW', 'CREATE MATERIALIZED VIEW')
	EXECUTE FUNCTION databricks_grant_on_create();
`,
}
