# Read (". tap.sh") by the shell tests: results as TAP lines.
# shellcheck shell=sh

count=0
failed=0
# shellcheck disable=SC2034 # for the tests
top=$(cd -P "$(dirname "$0")/../.." && pwd)

# ok NAME COMMAND…: the command must succeed.
ok() {
    name=$1
    shift
    count=$((count + 1))
    if "$@"; then
        echo "ok $count - $name"
    else
        failed=$((failed + 1))
        echo "not ok $count - $name"
    fi
}

# refused NAME PATTERN COMMAND…: the command must fail, with one line on standard error that matches
# the pattern.
refused() {
    name=$1
    pattern=$2
    shift 2
    count=$((count + 1))
    if message=$("$@" 2>&1 >/dev/null) || [ "$(printf '%s\n' "$message" | wc -l)" != 1 ] ||
        ! printf '%s\n' "$message" | grep -q -- "$pattern"; then
        failed=$((failed + 1))
        echo "not ok $count - $name"
        printf '%s\n' "$message" | sed 's/^/# /'
    else
        echo "ok $count - $name"
    fi
}

same() {
    [ "$1" = "$2" ] || {
        printf '# expected: %s\n# found:    %s\n' "$1" "$2"
        return 1
    }
}

done_testing() {
    echo "1..$count"
    [ "$failed" = 0 ]
}
