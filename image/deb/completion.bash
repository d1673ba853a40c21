# Completion of postern, postern-broker and postern-psp for bash: verbs from --help, options from the verb's --help.
# shellcheck disable=SC2207 # words, no paths
# The programs are the one source of their words; nothing here names a verb or an option.

_postern() {
    local program=${COMP_WORDS[0]} current=${COMP_WORDS[COMP_CWORD]} verb="" word help
    local i
    for ((i = 1; i < COMP_CWORD; i++)); do
        word=${COMP_WORDS[i]}
        [[ $word == -* ]] && break
        verb+="${verb:+ }$word"
    done
    help=$("$program" --help 2>/dev/null)
    while [[ -n $verb ]] && ! grep -qE "^  $verb( |\$)" <<<"$help"; do
        [[ $verb == *" "* ]] || { verb=""; break; }
        verb=${verb% *}
    done
    if [[ $current == -* && -n $verb ]]; then
        # shellcheck disable=SC2086 # a verb may have two words
        COMPREPLY=($(compgen -W "$("$program" $verb --help 2>/dev/null | grep -oE '^  (-., )?--[a-z-]+' |
            grep -oE -- '--[a-z-]+')" -- "$current"))
    elif ((COMP_CWORD == 1)); then
        COMPREPLY=($(compgen -W "$(grep -oE '^  [a-z][a-z-]*' <<<"$help")" -- "$current"))
    elif ((COMP_CWORD == 2)) && grep -qE "^  ${COMP_WORDS[1]} [a-z][a-z-]* " <<<"$help" &&
        ! grep -qE "^  ${COMP_WORDS[1]}  " <<<"$help"; then
        COMPREPLY=($(compgen -W "$(sed -nE "s/^  ${COMP_WORDS[1]} ([a-z][a-z-]*) .*/\\1/p" <<<"$help")" -- "$current"))
    else
        COMPREPLY=($(compgen -f -- "$current"))
    fi
}

complete -o filenames -F _postern postern postern-broker postern-psp
