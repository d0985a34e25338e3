package sqlscan

// keyword is a word that means something here; 0 is any other.
type keyword uint8

const (
	_ keyword = iota
	closingParen
	kwAbort
	kwAnalyze
	kwAnd
	kwAs
	kwAtomic
	kwAuthorization
	kwBegin
	kwCall
	kwChain
	kwCharacteristics
	kwClose
	kwCommit
	kwConstraints
	kwCopy
	kwCreate
	kwDeallocate
	kwDeclare
	kwDiscard
	kwDo
	kwDrop
	kwEnd
	kwExecute
	kwExplain
	kwFrom
	kwFunction
	kwGlobal
	kwHold
	kwInsert
	kwInto
	kwListen
	kwLoad
	kwLocal
	kwMerge
	kwNames
	kwNotify
	kwOn
	kwOr
	kwPrepare
	kwPrepared
	kwProcedure
	kwRelease
	kwReplace
	kwReset
	kwRollback
	kwSavepoint
	kwSchema
	kwSession
	kwSet
	kwStandardStream
	kwStart
	kwTemp
	kwTime
	kwTo
	kwTransaction
	kwTrue
	kwUnlisten
	kwUpdate
	kwVerbose
	kwWith
	kwXML

	// Names, which mean the same when quoted.
	nameSetConfig
	nameSetLimit
	nameAdvisoryLock
	nameAdvisoryUnlock
	nameSetSeed
	nameSequence
	nameDblink
	namePgTemp
	namePgSettings
)

var keywords = map[string]keyword{
	"abort":           kwAbort,
	"analyze":         kwAnalyze,
	"analyse":         kwAnalyze,
	"and":             kwAnd,
	"as":              kwAs,
	"atomic":          kwAtomic,
	"authorization":   kwAuthorization,
	"begin":           kwBegin,
	"call":            kwCall,
	"chain":           kwChain,
	"characteristics": kwCharacteristics,
	"close":           kwClose,
	"commit":          kwCommit,
	"constraints":     kwConstraints,
	"copy":            kwCopy,
	"create":          kwCreate,
	"deallocate":      kwDeallocate,
	"declare":         kwDeclare,
	"discard":         kwDiscard,
	"do":              kwDo,
	"drop":            kwDrop,
	"end":             kwEnd,
	"execute":         kwExecute,
	"explain":         kwExplain,
	"from":            kwFrom,
	"function":        kwFunction,
	"global":          kwGlobal,
	"hold":            kwHold,
	"insert":          kwInsert,
	"into":            kwInto,
	"listen":          kwListen,
	"load":            kwLoad,
	"local":           kwLocal,
	"merge":           kwMerge,
	"names":           kwNames,
	"notify":          kwNotify,
	"on":              kwOn,
	"or":              kwOr,
	"prepare":         kwPrepare,
	"prepared":        kwPrepared,
	"procedure":       kwProcedure,
	"release":         kwRelease,
	"replace":         kwReplace,
	"reset":           kwReset,
	"rollback":        kwRollback,
	"savepoint":       kwSavepoint,
	"schema":          kwSchema,
	"session":         kwSession,
	"set":             kwSet,
	"stdin":           kwStandardStream,
	"stdout":          kwStandardStream,
	"start":           kwStart,
	"temp":            kwTemp,
	"temporary":       kwTemp,
	"time":            kwTime,
	"to":              kwTo,
	"transaction":     kwTransaction,
	"true":            kwTrue,
	"unlisten":        kwUnlisten,
	"update":          kwUpdate,
	"verbose":         kwVerbose,
	"with":            kwWith,
	"xml":             kwXML,

	"set_config":                  nameSetConfig,
	"set_limit":                   nameSetLimit,
	"pg_advisory_lock":            nameAdvisoryLock,
	"pg_advisory_lock_shared":     nameAdvisoryLock,
	"pg_try_advisory_lock":        nameAdvisoryLock,
	"pg_try_advisory_lock_shared": nameAdvisoryLock,
	"pg_advisory_unlock":          nameAdvisoryUnlock,
	"pg_advisory_unlock_shared":   nameAdvisoryUnlock,
	"pg_advisory_unlock_all":      nameAdvisoryUnlock,
	"setseed":                     nameSetSeed,
	"currval":                     nameSequence,
	"lastval":                     nameSequence,
	"dblink_connect":              nameDblink,
	"dblink_connect_u":            nameDblink,
	"pg_settings":                 namePgSettings,
}

const (
	longestKeyword = len("pg_try_advisory_lock_shared")
	pgTemp         = "pg_temp"
)

// keywordLengths has for each byte, of either case, the lengths of the
// keywords that start with it, as bits. Most words are none and end here.
var keywordLengths = func() (lengths [256]uint32) {
	for spelling := range keywords {
		lengths[spelling[0]] |= 1 << len(spelling)
	}
	for n := len(pgTemp); n <= longestKeyword; n++ {
		lengths[pgTemp[0]] |= 1 << n
	}
	for c := 'a'; c <= 'z'; c++ {
		lengths[c-'a'+'A'] = lengths[c]
	}
	return lengths
}()

// lookUp returns the keyword that w is, in letters of either case.
func lookUp(w []byte) keyword {
	if len(w) == 0 || len(w) > longestKeyword || keywordLengths[w[0]]>>len(w)&1 == 0 {
		return 0
	}
	var folded [longestKeyword]byte
	for i, c := range w {
		folded[i] = lower(c)
	}
	if kw := keywords[string(folded[:len(w)])]; kw != 0 {
		return kw
	}
	// What pg_temp stands for is called pg_temp_ and a number.
	if hasPrefixFold(w, pgTemp) {
		return namePgTemp
	}
	return 0
}

func lower(c byte) byte {
	if c >= 'A' && c <= 'Z' {
		c |= 0x20
	}
	return c
}

// hasPrefixFold reports whether text starts with prefix, which is lower case,
// in letters of either case.
func hasPrefixFold(text []byte, prefix string) bool {
	if len(text) < len(prefix) {
		return false
	}
	for i := range len(prefix) {
		if lower(text[i]) != prefix[i] {
			return false
		}
	}
	return true
}

// containsFold is hasPrefixFold anywhere. Its time is bounded by the product
// of both lengths, so part must be short.
func containsFold(text []byte, part string) bool {
	for i := range text {
		if lower(text[i]) == part[0] && hasPrefixFold(text[i:], part) {
			return true
		}
	}
	return false
}
