package doctor

import (
	"cmp"
	"fmt"
	"runtime"
	"strings"

	"github.com/lakebase-go/lakebase/internal/roles"
	"github.com/lakebase-go/lakebase/internal/shellword"
)

// The methods of this file are the commands and actions that several checks
// advise.

// again is the command that repeats the run.
func (v *visit) again() string { return "lakebase doctor" + v.argument() }

// wait is the command that waits for the target.
func (v *visit) wait() string { return "lakebase wait" + v.argument() }

// argument is the target as an argument of another command, unless it may hold
// a secret.
func (v *visit) argument() string {
	if v.options.Target == "" || v.hide(v.options.Target) != v.options.Target || strings.Contains(v.options.Target, "://") {
		return ""
	}
	return " " + shellword.Of(v.options.Target)
}

// targetFlag names the target in commands that take it as a flag.
func (v *visit) targetFlag() string {
	if v.options.Target == "" {
		return ""
	}
	return " --target " + shellword.Of(v.targetName())
}

// roles is a command about the role that logs in.
func (v *visit) roles(command string, flags ...string) string {
	words := append([]string{"lakebase roles", command, shellword.Of(v.user())}, flags...)
	return strings.Join(words, " ") + v.targetFlag()
}

// createRole is the command that creates the role of the identity that logs in.
func (v *visit) createRole() string {
	return v.roles("create", "--kind", string(identityKind(v.user())))
}

// identityKind is the --kind of roles create for an identity.
func identityKind(name string) roles.Kind { return cmp.Or(roles.KindOf(name), roles.User) }

// unset is the command that unsets the variable of a setting, "" if it has
// none.
func (v *visit) unset(setting string) string {
	if variable := v.variable(setting); variable != "" {
		return "unset " + variable
	}
	return ""
}

// unsetHost is the command that lets the workspace name the host.
func (v *visit) unsetHost() string {
	if !v.overridesHost() {
		return ""
	}
	return v.unset("host")
}

// orLetWorkspaceNameHost is the action where a configured host may be at fault.
func (v *visit) orLetWorkspaceNameHost(otherwise string) string {
	if v.overridesHost() {
		return "let the workspace name the host"
	}
	return otherwise
}

// start is the advice for a target that no login starts.
func (v *visit) start() advice {
	a := advice{
		meaning: "connecting does not start it, whatever the timeout",
		action:  "start it: in the workspace, on the page of the instance",
	}
	if v.target.RawState == "disabled" {
		a.action = "enable it: in the workspace, on the page of the endpoint"
	}
	if v.isLocalLakebase() {
		a.command = "lakebase local start " + shellword.Of(v.target.Name())
	}
	return a
}

// loginSource says where a setting of the workspace login comes from.
func (v *visit) loginSource(name string) string {
	s := v.setting("databricks." + name)
	switch variable := v.variable("databricks." + name); {
	case s.Source == "":
		return "nothing sets it"
	case variable != "":
		return variable + " sets it"
	}
	return "it comes from " + s.Source
}

// correctWorkspace is the action and command for a workspace's address that is
// wrong.
func (v *visit) correctWorkspace(meaning string) advice {
	a := advice{
		meaning: meaning, action: "correct the workspace's address: " + v.loginSource("host"),
		command: "export DATABRICKS_HOST=https://WORKSPACE.cloud.databricks.com",
	}
	if profile, ok := strings.CutPrefix(v.setting("databricks.host").Source, "profile "); ok {
		a.command = "databricks auth login --profile " + shellword.Of(profile)
	}
	return a
}

// setClock is the advice for a clock that is off.
func setClock(meaning string) advice {
	command := "sudo timedatectl set-ntp true"
	switch runtime.GOOS {
	case "darwin":
		command = "sudo sntp -sS time.apple.com"
	case "windows":
		command = "w32tm /resync"
	}
	return advice{meaning: meaning, action: "set this machine's clock by a time server", command: command}
}

// askForLongerTokens is the action for tokens that a workspace makes short.
const askForLongerTokens = "have the workspace's admin find out why its tokens are that short"

// closeConnections is the command that makes a pool smaller.
func smallerPool(size int) string {
	return fmt.Sprintf("export DB_POOL_SIZE=%d DB_MAX_OVERFLOW=0", size)
}
