package txpool

import (
	"cmp"
	"strings"

	"github.com/lakebase-go/lakebase/internal/pgwire"
	"github.com/lakebase-go/lakebase/internal/routines"
)

// Reasons to pin a client that cannot be inspected or undone.
const (
	pinReplication = "REPLICATION"
	pinSyncInCopy  = "SYNC DURING COPY"
	pinLoad        = "LOAD"
	pinSeed        = "SETSEED"
	pinUnseen      = "SUPERUSER"
	pinLanguage    = "LANGUAGE"
	pinSlot        = "REPLICATION SLOT"
	pinConnection  = "DBLINK"
	pinCall        = "FUNCTION CALL"
	pinEncoding    = "ENCODING"

	pinAuthorization = "SESSION AUTHORIZATION"
	pinUnlisted      = "SET_CONFIG" // settings that pg_settings does not list, by unknown names
)

// lastingPins are the reasons to pin a client that last as long as the session or
// until DISCARD ALL.
var lastingPins = [...]struct {
	impact routines.Impact
	reason string
}{
	{routines.Loads, pinLoad},
	{routines.Connects, pinConnection},
	{routines.Seeds, pinSeed},
	{routines.Unseen, pinUnseen},
	{routines.Remembers, pinLanguage},
	{routines.Authorizes, pinAuthorization},
	{routines.ReadsSequence, "CURRVAL"},
	{routines.ConfiguresUnknown, pinUnlisted},
}

// isFinalPin reports whether a session that is pinned for that reason cannot be made
// fit for another client.
func isFinalPin(reason string) bool {
	switch reason {
	case pinReplication, pinSyncInCopy, pinLoad, pinSeed, pinUnseen, pinLanguage, pinSlot, pinConnection, pinCall:
		return true
	}
	return false
}

// session is what is known of the state of the server's session that outlives the
// transaction.
type session struct {
	*pipeline

	unknown    routines.Impact // state that is unknown until the server has been asked
	inspecting routines.Impact // state that the server is being asked about

	settingsUnknown bool     // settings that the meaning of text depends on may have changed
	setMore         bool     // settings may have changed other than by RESET
	baseline        Reported // what the server reports with the known settings

	defaults bool            // the transaction may have changed the settings of new sessions
	worked   bool            // the client has done more than to begin the transaction
	pinnedAt uint64          // segment of the last cause of a lasting pin
	localAt  uint64          // segment of the last change of settings for the transaction
	schema   uint64          // version of the schema in a transaction that has changed it, else 0
	defines  bool            // the transaction may have changed what later texts mean
	hazards  routines.Impact // which they have then, and the server does not show
	changes  uint64          // of definitions, before the transaction
}

// sent notes what a text with that impact, which is now sent, may change.
func (s *session) sent(impact routines.Impact) {
	if impact&routines.Begins == 0 {
		s.worked = true
	}
	s.server.valuesOf(s.client)
	if impact == 0 || impact == routines.Begins {
		return
	}
	segment := s.server.segment
	if impact&routines.Temp != 0 && !s.client.temporary {
		// A client's first temporary object, or the first one since others are gone, hides
		// a permanent one. PostgreSQL looks up the names of prepared statements again only
		// for the first one of the server connection.
		s.client.temporary = true
		s.server.retireAll()
	}
	if impact&routines.Unknown != 0 {
		impact |= routines.Inspectable
	}
	if impact&(routines.Unknown|routines.ConfiguresUnknown) != 0 { // the setting may be seed
		s.server.unknown = true
	}
	if impact&routines.Defines != 0 {
		s.defined(impact)
	}
	if impact&routines.Deallocates != 0 {
		s.namesChanged, s.deallocates = segment, segment
	}
	if impact&routines.ConfiguresTemp != 0 {
		s.localAt = segment
	}
	if impact&(routines.ConfiguresTemp|routines.Configures) != 0 {
		s.settingsUnknown = true
	}
	s.setMore = s.setMore || impact&routines.Sets != 0
	for _, p := range lastingPins {
		if impact&p.impact != 0 {
			s.pin(p.reason, segment)
		}
	}
	s.unknown |= impact & (routines.Inspectable | routines.Hides) &^ routines.Sets
	if impact&routines.Releases != 0 && s.client.pin != "" {
		s.unknown |= routines.Inspectable &^ routines.Sets
	}
}

// defined notes a text with that impact that may change definitions.
func (s *session) defined(impact routines.Impact) {
	catalog := &s.client.table.Catalog
	if !s.defines {
		s.defines = true
		catalog.BeginChange()
	}
	s.hazards = catalog.AddHazards(s.hazards, impact)
}

// noteCustom notes custom settings that a text of the client may change. Where names are
// too many, or perhaps not in UTF-8, the client is pinned.
func (s *session) noteCustom(names []string) {
	c := s.client
	for _, name := range names {
		if !isASCII(name) && (s.settingsUnknown || s.server.reported.value(encodingName) != "UTF8") {
			s.pin(pinUnlisted, s.server.segment)
			continue
		}
		if c.custom == nil {
			c.custom = map[string]bool{}
		}
		c.custom[name] = true
	}
	if len(c.custom) > maxCustom && !isFinalPin(c.pin) {
		c.pin, c.lasting = "SET", true
	}
}

// pin ties the client to the server because of something in a segment that cannot be
// inspected. The final reasons replace others.
func (s *session) pin(reason string, segment uint64) {
	if s.client.pin == "" || isFinalPin(reason) || !s.client.lasting && !isFinalPin(s.client.pin) {
		s.client.pin = reason
	}
	s.client.lasting = true
	s.pinnedAt = max(s.pinnedAt, segment)
}

// completed handles a command tag, which may show more than the text.
func (s *session) completed(tag string, segment uint64) {
	switch tag {
	case "DISCARD ALL":
		s.discarded(segment)
		s.dropAll()
	case "DEALLOCATE ALL":
		s.dropAll()
	case "LISTEN":
		s.unknown |= routines.Listens
	case "PREPARE":
		s.unknown |= routines.Prepares
	case "LOAD":
		s.pin(pinLoad, segment)
	case "ALTER ROLE", "ALTER DATABASE":
		s.defaults = true
	case "DROP TABLE", "DROP VIEW", "DROP SEQUENCE", "DROP FUNCTION", "DROP TYPE":
		if s.client.pin != "" {
			s.unknown |= routines.Inspectable
		}
	}
	if changesSchema(tag) {
		s.schema = s.client.table.newSchema()
	}
}

// discarded handles a DISCARD ALL of the client in a segment.
func (s *session) discarded(segment uint64) {
	c := s.client
	if c.lasting && s.pinnedAt < segment && !isFinalPin(c.pin) {
		c.pin, c.lasting = "", false
	}
	s.unknown |= routines.Configures
}

// changesSchema reports whether a command may change the meaning of texts.
func changesSchema(tag string) bool {
	verb, object, _ := strings.Cut(tag, " ")
	switch verb {
	case "CREATE", "ALTER", "DROP":
		return object != "INDEX" && object != "ROLE" && object != "DATABASE" && object != "STATISTICS"
	}
	return false
}

// currentSchema returns the version of the schema for a text that is now sent.
func (s *session) currentSchema() uint64 {
	if s.schema != 0 {
		return s.schema
	}
	return s.client.table.schema.Load()
}

// planning returns the settings under which a text is prepared that is now sent.
func (s *session) planning() Settings {
	if s.settingsUnknown {
		return unknownSettings
	}
	return s.server.planning
}

// ready handles a ReadyForQuery for the client.
func (s *session) ready(status pgwire.TxStatus) {
	if status != pgwire.TxIdle {
		return
	}
	if s.deallocates <= s.server.answeredSegment {
		s.deallocates = 0
	}
	if s.schema != 0 {
		s.schema = 0
		s.client.table.changeSchema()
		s.server.retireBlind()
	}
	if s.queue.n == 0 {
		clear(s.portals)
		s.worked = false
	}
	if s.defaults {
		s.defaults = false
		s.vacated = append(s.vacated, AllDatabases)
	}
	s.endDefinitions()
	if changes := s.client.table.Catalog.Changes(); changes != s.changes {
		hazards := s.client.table.Catalog.Hazards(s.changes)
		s.changes = changes
		s.sent(routines.Unknown | hazards) // what was known of its texts may not have held
	}
	s.updateSettingsUnknown()
}

// endDefinitions handles the end of a transaction that may have changed definitions.
func (s *session) endDefinitions() {
	if s.defines {
		s.client.table.Catalog.EndChange(s.hazards)
		s.defines, s.hazards = false, 0
	}
}

// updateSettingsUnknown resets settingsUnknown if the settings are known again.
func (s *session) updateSettingsUnknown() {
	if s.settingsUnknown && (s.unknown|s.inspecting)&routines.Configures == 0 && s.localAt <= s.server.answeredSegment {
		s.settingsUnknown = false
		s.server.retireBlind()
	}
}

// noteReported marks the settings as unknown if the server reports other values than
// with the known settings: a function may have changed them, for example.
func (s *session) noteReported() {
	if s.server.reported != s.baseline {
		s.unknown |= routines.Configures
		s.settingsUnknown = true
	}
}

// dropImpossible resets what cannot be unknown: whether statements are left of none, and
// the settings if the client has only reset settings of which there are none.
func (s *session) dropImpossible() {
	if s.server.kept() == 0 {
		s.unknown &^= routines.DropsUnseen
	}
	if s.unknown == routines.Configures && !s.setMore && s.server.settings == (Settings{}) && s.server.reported == s.baseline {
		s.unknown = 0
		s.updateSettingsUnknown()
	}
}

// learn stores the result of an inspection.
func (s *session) learn(f findings) {
	c := s.client
	if s.inspecting&routines.Configures != 0 {
		if role := f.settings[roleOfNew]; isASCII(role) { // the client's encoding may be any
			s.server.role = cmp.Or(s.server.role, role)
		}
		s.server.setSettings(Settings{newAssignments(f.session(s.server.encoding))})
		c.settings = Settings{newAssignments(f.client(s.server.encoding))}.or(c.startup)
		s.baseline = s.server.reported
		s.setMore = false
	}
	switch {
	case isFinalPin(f.pin):
		c.pin = f.pin
	case !c.lasting:
		c.pin = cmp.Or(f.pin, s.server.unshareable(), c.settings.unshareable())
	}
	c.temporary = c.temporary && c.pin != ""
	if f.lost {
		s.server.retireAll()
	}
	s.inspecting = 0
	s.updateSettingsUnknown()
}
