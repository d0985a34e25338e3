package cli

import "github.com/spf13/cobra"

// completionHelp is the help of the completion command of each shell.
var completionHelp = map[string]struct{ long, example string }{
	"bash": {`Prints completion for bash 4 or newer. It requires the package bash-completion.`,
		`  source <(lakebase completion bash)     # this shell
  lakebase completion bash > ~/.local/share/bash-completion/completions/lakebase`},
	"zsh": {`Prints completion for zsh. ~/.zshrc must run "autoload -U compinit; compinit",
and the file must be in a directory of fpath before that.`,
		`  source <(lakebase completion zsh)      # this shell
  lakebase completion zsh > "${fpath[1]}/_lakebase"`},
	"fish": {`Prints completion for fish.`,
		`  lakebase completion fish | source      # this shell
  lakebase completion fish > ~/.config/fish/completions/lakebase.fish`},
	"powershell": {`Prints completion for PowerShell. Add the example to the file $PROFILE to load
it in every shell.`,
		`  lakebase completion powershell | Out-String | Invoke-Expression`},
}

// addCompletionCommand adds cobra's command with shorter help.
func addCompletionCommand(root *cobra.Command) {
	root.InitDefaultCompletionCmd()
	for _, cmd := range root.Commands() {
		if cmd.Name() != "completion" {
			continue
		}
		cmd.Short = "Print completion for bash, zsh, fish or powershell"
		cmd.Long = `Prints a script with which the Tab key completes commands, flags and targets in
a shell. Targets come from the workspace that the environment names, and are
left out if it does not answer within two seconds.`
		for _, shell := range cmd.Commands() {
			shell.Short = "Print completion for " + shell.Name()
			shell.Long, shell.Example = completionHelp[shell.Name()].long, completionHelp[shell.Name()].example
		}
	}
}
