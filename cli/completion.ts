import { RootCommand } from "@bomb.sh/tab";
import { exitCodes, PawlError } from "../core/errors.ts";
import { type CommandRun, shells } from "./commands.ts";

/** `pawl completion <shell>`. */
export const completion: CommandRun = async ({ args, console }) => {
  const shell = args[0] ?? "";
  if (!shells.some((known) => known === shell)) {
    throw new PawlError("USAGE", `there is no completion for ${JSON.stringify(shell)}`, {
      next: `Name one of ${shells.join(", ")}.`,
      details: { shell, allowed: shells },
    });
  }
  if (shell === "bash") console.out(bashScript);
  // Prints it.
  else new RootCommand().setup("pawl", "pawl", shell);
  return exitCodes.done;
};

/**
 * Ours, since the other one needs the package bash-completion and gives what is typed to `eval`. It also works with the
 * bash of macOS (3.2), which has no `mapfile` and no `compopt`.
 */
const bashScript = `# bash completion for pawl
_pawl() {
    local line=\${COMP_LINE:0:COMP_POINT} cur=\${COMP_WORDS[COMP_CWORD]} out directive value kind
    local -a words
    # Not read -r: what is typed may hold a quoted space.
    read -a words <<< "$line"
    [[ $line == *[[:space:]] ]] && words+=("")
    # Bash takes = and : for words of their own.
    [[ $cur == [=:] ]] && cur=""
    COMPREPLY=()
    out=$(pawl complete -- "\${words[@]:1}" 2>/dev/null) || return
    directive=\${out##*:}
    out=\${out%:*}
    if [[ $directive == 8 || $directive == 16 ]]; then
        compopt -o filenames 2>/dev/null
        while read -r value; do COMPREPLY+=("$value"); done < <(compgen -d -- "$cur")
        [[ $directive == 16 ]] && return
        while read -r kind; do
            [[ -z $kind ]] && continue
            while read -r value; do COMPREPLY+=("$value"); done < <(compgen -f -X "!*.$kind" -- "$cur")
        done <<< "$out"
        return
    fi
    while IFS=$'\\t' read -r value _; do
        [[ -n $value && $value == "$cur"* ]] && COMPREPLY+=("$value")
    done <<< "$out"
}
complete -F _pawl pawl`;
