package resultformat

// Column describes one column of a result.
type Column struct {
	Name string
	Type uint32 // the OID of its type
}

// OIDs of the types that are not written as plain text everywhere
// (pg_type.dat).
const (
	oidBool    = 16
	oidInt8    = 20
	oidInt2    = 21
	oidInt4    = 23
	oidOID     = 26
	oidXID     = 28
	oidCID     = 29
	oidJSON    = 114
	oidFloat4  = 700
	oidFloat8  = 701
	oidMoney   = 790
	oidNumeric = 1700
	oidJSONB   = 3802
	oidXID8    = 5069
)
