# Read (". sources.sh", after common.sh) by the scripts that build from Debian's source packages. They
# run inside the builder root. apt-get source takes each file's SHA-256 from the Sources list, that
# one's from InRelease, whose signature it has checked; `lock` compares the files once more.
# shellcheck shell=sh

# newest PACKAGE [SUITE]: the highest version of its source in that suite and its updates, or in all
# the configured ones.
newest() {
    best=
    for v in $(apt-cache madison "$1" |
        awk -F '|' -v suite="${2-}" '$3 ~ / Sources$/ && $3 ~ " " suite { print $2 }'); do
        if dpkg --compare-versions "$v" gt "${best:-0}"; then best=$v; fi
    done
    printf '%s\n' "$best"
}

# fetch NAME VERSION: unpacks it into $scratch/NAME and writes its lock entries to
# $scratch/NAME.json.
fetch() {
    mkdir "${scratch:?}/$1.d"
    logged "fetching the source of $1 $2 (gone from the mirror: image/builder/make-root refresh)" \
        env -C "$scratch/$1.d" apt-get -q source --download-only "$1=$2"
    "${top:?}/image/lock" source "$1=$2" "$scratch/$1.d" "$me" >"$scratch/$1.json" || exit 1
    logged "unpacking $1" dpkg-source --no-copy -x "$scratch/$1.d"/*.dsc "$scratch/$1"
    rm -rf "$scratch/$1.d"
}
