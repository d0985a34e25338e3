package cli

import "github.com/spf13/cobra"

// shellSetups say how each shell loads its completion, in place of what cobra
// says.
var shellSetups = map[string]struct{ long, example string }{
	"bash": {`Prints completion for bash 4 or newer. It needs the package bash-completion, and
shells that start after it is in place.`,
		`  source <(lakebase completion bash)     # this shell
  lakebase completion bash > ~/.local/share/bash-completion/completions/lakebase`},
	"zsh": {`Prints completion for zsh, where "autoload -U compinit; compinit" is in ~/.zshrc.
The file belongs into a directory that is in fpath before compinit runs.`,
		`  source <(lakebase completion zsh)      # this shell
  lakebase completion zsh > "${fpath[1]}/_lakebase"`},
	"fish": {`Prints completion for fish.`,
		`  lakebase completion fish | source      # this shell
  lakebase completion fish > ~/.config/fish/completions/lakebase.fish`},
	"powershell": {`Prints completion for PowerShell. To have it in each shell, add it to the file
that $PROFILE names.`,
		`  lakebase completion powershell | Out-String | Invoke-Expression`},
}

// addCompletionCommand adds cobra's command with help in our own words.
func addCompletionCommand(root *cobra.Command) {
	root.InitDefaultCompletionCmd()
	for _, cmd := range root.Commands() {
		if cmd.Name() != "completion" {
			continue
		}
		cmd.Short = "Print completion for bash, zsh, fish or powershell"
		cmd.Long = `Prints a script that lets the Tab key complete commands, flags and the names of
targets in a shell. Targets are asked for as the environment says at that time;
what is not known after two seconds is left out in silence.`
		for _, shell := range cmd.Commands() {
			shell.Short = "Print completion for " + shell.Name()
			shell.Long, shell.Example = shellSetups[shell.Name()].long, shellSetups[shell.Name()].example
		}
	}
}
