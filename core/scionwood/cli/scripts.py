"""The scripts that shells run. Each asks `scionwood __complete` for the words at the cursor."""

from __future__ import annotations

from collections.abc import Mapping

_BASH = r"""# bash completion for scionwood
_scionwood() {
    local word meaning current="${COMP_WORDS[COMP_CWORD]}"
    COMPREPLY=()
    while IFS=$'\t' read -r word meaning; do
        if [[ $word == :files ]]; then
            compopt -o filenames 2>/dev/null || true
            while IFS= read -r word; do COMPREPLY+=("$word"); done < <(compgen -f -- "$current")
        else
            COMPREPLY+=("$word")
        fi
    done < <("${COMP_WORDS[0]}" __complete "${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null)
}
complete -F _scionwood scionwood
"""

_ZSH = r"""#compdef scionwood
_scionwood() {
    local word meaning files=0
    local -a candidates
    while IFS=$'\t' read -r word meaning; do
        if [[ $word == :files ]]; then
            files=1
        else
            candidates+=("${word//:/\\:}${meaning:+:$meaning}")
        fi
    done < <("${words[1]}" __complete "${(@)words[2,CURRENT]}" 2>/dev/null)
    (( $#candidates )) && _describe scionwood candidates
    (( files )) && _files
    (( files + $#candidates ))
}
compdef _scionwood scionwood
"""

_FISH = r"""# fish completion for scionwood
function __scionwood_complete
    set -l words (commandline -opc)
    set -l current (commandline -ct)
    for line in ($words[1] __complete $words[2..] "$current" 2>/dev/null)
        if string match -q ':files*' -- $line
            __fish_complete_path "$current"
        else
            echo $line
        end
    end
end
complete -c scionwood -f -a '(__scionwood_complete)'
"""

SCRIPTS: Mapping[str, str] = {"bash": _BASH, "zsh": _ZSH, "fish": _FISH}
