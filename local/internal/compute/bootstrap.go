package compute

import "github.com/lakebase-go/lakebase/internal/postgres"

// DefaultDatabase is the database that every Lakebase starts with.
const DefaultDatabase = "databricks_postgres"

// bootstrap is the initial content of every data directory.
var bootstrap = postgres.ClusterOptions{
	Scripts: []postgres.Script{
		{Database: "postgres", SQL: createRolesSQL},
		{Database: "postgres", SQL: createDatabaseSQL},
		{Database: DefaultDatabase, SQL: prepareDatabaseSQL},
	},
	Extensions: []postgres.Extension{databricksAuth},
	HBA: `# The frontend asks members of databricks_oauth for a token; no other role
# reaches this server without a password.
local replication lakebase_admin trust
local all lakebase_admin trust
local all +databricks_oauth trust
local all all scram-sha-256
`,
}

// createRolesSQL can be repeated: an external server is prepared at each start.
const createRolesSQL = `
DO $$
DECLARE
	name text;
BEGIN
	FOREACH name IN ARRAY ARRAY['databricks_superuser', 'databricks_oauth', 'databricks_gateway',
			'databricks_monitor', 'databricks_control_plane'] LOOP
		IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = name) THEN
			EXECUTE format('CREATE ROLE %I NOLOGIN', name);
		END IF;
	END LOOP;
END
$$;
GRANT pg_read_all_data, pg_write_all_data, pg_monitor, pg_signal_backend TO databricks_superuser;
GRANT CREATE ON DATABASE postgres TO databricks_superuser;
`

const createDatabaseSQL = `CREATE DATABASE databricks_postgres OWNER databricks_superuser`

// prepareDatabaseSQL gives the schema public to the owner of the database,
// databricks_superuser. PostgreSQL 14 does not do that by itself.
const prepareDatabaseSQL = `
ALTER SCHEMA public OWNER TO pg_database_owner;
REVOKE CREATE ON SCHEMA public FROM PUBLIC;
`

// databricksAuth is the extension with which users create roles for identities.
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
	IF NOT pg_has_role(session_user, 'databricks_oauth', 'MEMBER') THEN
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
	EXECUTE format('GRANT databricks_oauth TO %I', identity);
	-- From version 16 on, only the creator of a role may administer it.
	IF current_setting('server_version_num')::int >= 160000 AND session_user <> current_user THEN
		EXECUTE format('GRANT %I TO %I WITH ADMIN TRUE, INHERIT FALSE, SET FALSE', identity, session_user);
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
 WHERE EXISTS (SELECT FROM pg_auth_members m WHERE m.member = r.oid AND m.roleid = to_regrole('databricks_oauth'));
GRANT SELECT ON databricks_list_roles TO PUBLIC;
COMMENT ON VIEW databricks_list_roles IS 'Roles of Databricks identities: user, service_principal or group';
`,
}
