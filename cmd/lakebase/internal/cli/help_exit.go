package cli

import (
	"github.com/lakebase-go/lakebase/cmd/lakebase/internal/cli/command"
)

// ownExitCodes are those of a command beside 0, 1 and 2, which all have.
type ownExitCodes struct {
	codes []int
	own   []exitHelp // that mean something there only
}

var (
	connects    = ownExitCodes{codes: []int{command.ExitRetry, command.ExitInterrupted}}
	runsSQL     = ownExitCodes{codes: []int{command.ExitRetry, command.ExitSQL, command.ExitInterrupted}}
	needsLocal  = ownExitCodes{codes: []int{command.ExitNotRunning, command.ExitInterrupted}}
	onThisSide  = ownExitCodes{}
	untilItEnds = ownExitCodes{codes: []int{command.ExitInterrupted}}
)

// moreExitCodes has every command that does something.
var moreExitCodes = map[string]ownExitCodes{
	"lakebase demo":   untilItEnds,
	"lakebase doctor": connects,
	"lakebase env":    onThisSide,
	"lakebase exec": {own: []exitHelp{
		{"126", "the program cannot be started"},
		{"127", "there is no such program"},
		{"other", "the program's own, or 128 plus the number of the signal that ended it"},
	}},
	"lakebase local":                 untilItEnds,
	"lakebase local env":             needsLocal,
	"lakebase local failover":        needsLocal,
	"lakebase local faults":          needsLocal,
	"lakebase local faults clear":    needsLocal,
	"lakebase local faults set":      needsLocal,
	"lakebase local reset":           onThisSide,
	"lakebase local start":           needsLocal,
	"lakebase local status":          needsLocal,
	"lakebase local stop":            needsLocal,
	"lakebase local suspend":         needsLocal,
	"lakebase man":                   onThisSide,
	"lakebase completion bash":       onThisSide,
	"lakebase completion fish":       onThisSide,
	"lakebase completion powershell": onThisSide,
	"lakebase completion zsh":        onThisSide,
	"lakebase proxy":                 onThisSide,
	"lakebase psql": {own: []exitHelp{
		{"127", "psql is not installed"},
		{"other", "psql's own: 1 for a fatal error, 2 for a lost connection, 3 for an error in a script with ON_ERROR_STOP"},
	}},
	"lakebase query":        runsSQL,
	"lakebase roles":        onThisSide,
	"lakebase roles create": connects,
	"lakebase roles grant":  connects,
	"lakebase roles list":   connects,
	"lakebase roles revoke": connects,
	"lakebase roles show":   connects,
	"lakebase targets":      connects,
	"lakebase token":        connects,
	"lakebase url":          connects,
	"lakebase version":      onThisSide,
	"lakebase wait":         connects,
}
