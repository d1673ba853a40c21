# Read (". common.sh") by the scripts of image/ and image/builder/: where things lie, messages,
# locks, logs. Input: BUILD and BUILDER from the environment (host paths outside, fixed paths inside
# the builder root), and inside SHOWN_BUILDER, the name of BUILDER outside, for messages. Sets: me,
# here, top, BUILD, BUILDER.
# shellcheck shell=sh

LC_ALL=C
export LC_ALL
umask 022
me=${0##*/}
here=$(cd -P "$(dirname "$0")" && pwd)
case $here in
    */image/builder) top=${here%/image/builder} ;;
    */image/kernel) top=${here%/image/kernel} ;;
    */image/deb) top=${here%/image/deb} ;;
    */ovmf-config) top=${here%/ovmf-config} ;;
    *) top=${here%/image} ;;
esac
BUILD=${BUILD:-$top/build}
BUILDER=${BUILDER:-$BUILD/builder}
case $BUILD in /*) ;; *) BUILD=$(pwd)/$BUILD ;; esac
case $BUILDER in /*) ;; *) BUILDER=$(pwd)/$BUILDER ;; esac

# Present in the builder root only: holds what make-root recorded.
marks=/etc/postern-builder

say() {
    printf '%s\n' "$*"
}

die() {
    printf '%s: %s\n' "$me" "$*" >&2
    exit 1
}

need_inside() {
    [ -f "$marks/id" ] ||
        die "this runs inside the builder root: image/builder/enter ${here#"$top/"}/$me …"
}

# section NAME: the packages of one section of the list, one a line, minimum versions left in place.
section() {
    awk -v want="[$1]" '
        { sub(/#.*/, "") }
        !NF { next }
        /^\[/ { on = ($1 == want); next }
        on { $1 = $1; print }' "$top/image/builder/packages"
}

# sha256: of standard input, hex digits only.
sha256() {
    sha256sum | cut -d ' ' -f 1
}

# lock FILE TEXT: takes FILE's lock for the life of this process; TEXT says what is waited for.
# Held on descriptor 8, which children inherit: whoever still runs keeps it. (`enter` uses 9.)
lock() {
    mkdir -p "${1%/*}" || die "cannot make ${1%/*}"
    exec 8>>"$1"
    flock -n 8 || {
        say "waiting: $2"
        flock 8
    }
}

# What must not outlive this run is removed here; a script has its own.
cleanup() {
    :
}

child=
log=

finish() {
    status=$?
    trap - EXIT
    if [ -n "$child" ]; then
        # mmdebstrap and what it starts hold TERM back until they are done.
        kill -s TERM -- "-$child" 2>/dev/null || :
        sleep 1
        kill -s KILL -- "-$child" 2>/dev/null || :
        wait "$child" 2>/dev/null || :
    fi
    cleanup
    exit "$status"
}
trap finish EXIT
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 143' TERM

# start_log: an empty log of this script's name, of which `shown_log` is the name for people.
start_log() {
    mkdir -p "$BUILDER/log" "$BUILDER/tmp" || die "cannot make $BUILDER"
    log=$BUILDER/log/$me.log
    shown_log=${SHOWN_BUILDER:-${BUILDER#"$top/"}}/log/$me.log
    : >"$log"
}

# logged WHAT COMMAND…: runs it with its output appended to the log. On failure says what failed,
# shows the last lines, names the log and ends. In the background and in a process group of its own,
# so that a signal to this script ends the command and all that it started at once, and not after
# it.
logged() {
    what=$1
    shift
    printf '== %s: %s\n' "$what" "$*" >>"$log"
    setsid "$@" >>"$log" 2>&1 </dev/null &
    child=$!
    status=0
    wait "$child" || status=$?
    child=
    [ "$status" != 0 ] || return 0
    printf '%s: %s failed; %s ends with:\n' "$me" "$what" "$shown_log" >&2
    tail -n 12 "$log" | sed 's/^/    /' >&2
    exit 1
}

now() {
    date +%s
}
