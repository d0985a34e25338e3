package interop

// Reasons why tests of drivers fail through the proxy.
const (
	anyUser   = "the proxy lets any user in who needs no password, and logs in as its own role"
	newKeys   = "the proxy speaks protocol 3.2, whatever the server's version"
	ownPID    = "it ends its backend by the process ID that it was told, which in transaction mode is the proxy's"
	idleEnds  = "its backend ends while it has none: it gets another one"
	listsThem = "it looks for its statements in pg_prepared_statements, where they have other names and stay"
)

var suites = []suite{
	{
		name: "pgx", database: "pgxtest",
		packages: []string{".", "pgconn", "pgtype", "pgtype/zeronull", "pgxpool", "stdlib", "tracelog", "multitracer"},
		setup:    []string{"create extension hstore", "create extension ltree", "create domain uint64 as numeric(20,0)"},
		differs: map[string]reason{
			"TestConnectInvalidUser":                           {"session, transaction", anyUser},
			"TestConnectProtocolVersion32":                     {"session, transaction", newKeys},
			"TestConnPing":                                     {"transaction", ownPID},
			"TestConnCheckConn":                                {"transaction", ownPID},
			"TestFatalTxError":                                 {"transaction", ownPID},
			"TestFatalRxError":                                 {"transaction", ownPID},
			"TestPoolAcquireChecksIdleConns":                   {"transaction", ownPID},
			"TestCheckIdleConn":                                {"transaction", ownPID},
			"TestPrepareHandlesTimeoutBetweenParseAndDescribe": {"transaction", listsThem},
			"TestPrepareWithDigestedNameHandlesTimeoutBetweenParseAndDescribe": {"transaction", listsThem},
			"TestConnMultiplePrepareAndDeallocate/cache_statement":             {"transaction", listsThem},
			"TestConnMultiplePrepareAndDeallocate/cache_describe":              {"transaction", listsThem},
			"TestConnMultiplePrepareAndDeallocate/describe_exec":               {"transaction", listsThem},
			"TestConnMultiplePrepareAndDeallocate/exec":                        {"transaction", listsThem},
			"TestConnMultiplePrepareAndDeallocate/simple_protocol":             {"transaction", listsThem},
		},
	},
	{
		name: "pq", database: judged,
		packages: []string{".", "hstore"},
		setup: []string{
			"drop role if exists pqgossl", "create role pqgossl login",
			"drop role if exists pqgopassword", "create role pqgopassword login password 'wordpass'",
			"drop role if exists pqgoscram", "create role pqgoscram login password 'wordpass'",
		},
		skip: "^Example_openConfig$", // it connects to port 5432
		differs: map[string]reason{
			"TestErrorDuringStartup":                                 {"session, transaction", anyUser},
			"TestErrorDuringStartupClosesConn":                       {"session, transaction", anyUser},
			"TestAuth/end_to_end/user=pqgounknown_password=wordpass": {"session, transaction", anyUser},
			"TestPing": {"transaction", idleEnds},
		},
	},
}
