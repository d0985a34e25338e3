package sqlscan

// keyword identifies a word that the package knows, 0 for all others.
type keyword uint8

const (
	_ keyword = iota
	kwAbort
	kwAnd
	kwAs
	kwAuthorization
	kwBegin
	kwCall
	kwChain
	kwCharacteristics
	kwClose
	kwCommit
	kwConstraints
	kwCreate
	kwDeallocate
	kwDeclare
	kwDiscard
	kwDo
	kwDrop
	kwEnd
	kwExecute
	kwGlobal
	kwHold
	kwInsert
	kwInto
	kwListen
	kwLoad
	kwLocal
	kwMerge
	kwNames
	kwOn
	kwPrepare
	kwReplace
	kwReset
	kwRollback
	kwSchema
	kwSession
	kwSet
	kwStart
	kwTemp
	kwTime
	kwTo
	kwTransaction
	kwTrue
	kwUnlisten
	kwUpdate
	kwWith
	kwXML

	// Names, which may be quoted.
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
	"and":             kwAnd,
	"as":              kwAs,
	"authorization":   kwAuthorization,
	"begin":           kwBegin,
	"call":            kwCall,
	"chain":           kwChain,
	"characteristics": kwCharacteristics,
	"close":           kwClose,
	"commit":          kwCommit,
	"constraints":     kwConstraints,
	"create":          kwCreate,
	"deallocate":      kwDeallocate,
	"declare":         kwDeclare,
	"discard":         kwDiscard,
	"do":              kwDo,
	"drop":            kwDrop,
	"end":             kwEnd,
	"execute":         kwExecute,
	"global":          kwGlobal,
	"hold":            kwHold,
	"insert":          kwInsert,
	"into":            kwInto,
	"listen":          kwListen,
	"load":            kwLoad,
	"local":           kwLocal,
	"merge":           kwMerge,
	"names":           kwNames,
	"on":              kwOn,
	"prepare":         kwPrepare,
	"replace":         kwReplace,
	"reset":           kwReset,
	"rollback":        kwRollback,
	"schema":          kwSchema,
	"session":         kwSession,
	"set":             kwSet,
	"start":           kwStart,
	"temp":            kwTemp,
	"temporary":       kwTemp,
	"time":            kwTime,
	"to":              kwTo,
	"transaction":     kwTransaction,
	"true":            kwTrue,
	"unlisten":        kwUnlisten,
	"update":          kwUpdate,
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

// keywordLengths has the lengths of the keywords that start with a byte, of either
// case, as bits. It excludes most words that are not keywords.
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

// lookUp returns the keyword w, whose letters may be of either case.
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
	// The schema that pg_temp is an alias of is named pg_temp_ and a number.
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

// hasPrefixFold reports whether text starts with prefix, ignoring the case of
// letters. prefix is in lower case.
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

// containsFold reports whether text contains part, ignoring the case of letters.
// part is in lower case. It must be short: the time is proportional to the product
// of both lengths.
func containsFold(text []byte, part string) bool {
	for i := range text {
		if lower(text[i]) == part[0] && hasPrefixFold(text[i:], part) {
			return true
		}
	}
	return false
}
