#!/usr/bin/env bash
# Shows each mistake without its patch, and that it is gone with all of them.
# Takes the sources of QuickJS-ng, or finds those that cargo has; needs cc and patch.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
sources=${1:-}
if [ -z "$sources" ]; then
    found=("${CARGO_HOME:-$HOME/.cargo}"/registry/src/*/rquickjs-sys-0.14.0/quickjs)
    sources=${found[0]}
fi
[ -f "$sources/quickjs.c" ] || { echo "no quickjs.c in $sources; run \`cargo fetch\`, or name its directory"; exit 2; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# Each request of a script comes to `refuse.c` on its own where small ones are not taken out of arenas.
build() {
    mkdir -p "$work/$1"
    cp "$sources"/*.[ch] "$work/$1"
    sed -i 's/^#define JS_ARENA_LARGE_BLOCKS_ONLY 0$/#define JS_ARENA_LARGE_BLOCKS_ONLY 1/' "$work/$1/quickjs.c"
    for each in "${@:2}"; do patch --quiet -p1 -d "$work/$1" <"$each"; done
    (cd "$work/$1" && cc -O1 -g -D_GNU_SOURCE -I . "$here/refuse.c" quickjs.c libregexp.c libunicode.c dtoa.c \
        -lm -lpthread -o refuse)
}

build as-it-is
build patched "$here"/*.patch

failed=0
while IFS= read -r text; do
    before=$("$work/as-it-is/refuse" "$text" 2>/dev/null) || before=""
    after=$("$work/patched/refuse" "$text" 2>/dev/null) || after="refuse has failed"
    printf '%-34s as it is: %-22s patched: %s\n' "$text" \
        "$(head -1 <<<"${before:-nothing}")" "$(head -1 <<<"${after:-nothing}")"
    if [ -z "$before" ] || [ -n "$after" ]; then failed=1; fi
done <<'TEXTS'
new Array()
(function () {}).bind(null, 1)
Promise.allSettled([1, 2])
Promise.any([1, 2])
TEXTS
exit "$failed"
