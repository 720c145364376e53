#!/bin/sh
# Puts a set of files at one node, lists it at another, fetches it from a third, and compares.
#
#   examples/files.sh http://localhost:8081 http://localhost:8082 http://localhost:8083
#
# MANYHANDS names the program, unless it is in the search path. Ends with 0 if every file arrived as it was.
set -eu

if [ $# -ne 3 ]; then
    echo "usage: $0 URL URL URL   (three nodes of one room; on other machines: started with --open-files)" >&2
    exit 2
fi
manyhands=${MANYHANDS:-manyhands}
patience=60

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir "$work/put" "$work/got"

# Runs a command once a second until it succeeds.
within_patience() {
    begun=$(date +%s)
    until "$@"; do
        if [ $(($(date +%s) - begun)) -ge $patience ]; then
            echo "still not so after $patience s: $*" >&2
            exit 1
        fi
        sleep 1
    done
}

answers() { "$manyhands" status "$1" >/dev/null 2>&1; }
lists_set() { "$manyhands" ls --sets --from "$1" | grep -q "^$(echo "$2" | cut -c 1-12) "; }
has_all() { "$manyhands" get "$2" --from "$1" --output "$work/got" --force >/dev/null 2>&1; }

for node in "$@"; do
    within_patience answers "$node"
done

echo "hello, many hands" >"$work/put/hello.txt"
: >"$work/put/empty.bin"
head -c 1500000 /dev/urandom >"$work/put/random.bin"
printf 'the name is data\n' >"$work/put/odd name; \$(no) 'command' ü 🦦.txt"

echo "putting four files at $1"
"$manyhands" put "$work/put"/* --to "$1" --set "an example" >"$work/ids"
cat "$work/ids"
set_id=$(tail -n 1 "$work/ids" | cut -d ' ' -f 1)
if [ -z "$set_id" ]; then
    echo "the set has no id" >&2
    exit 1
fi

echo "waiting until $2 lists the set"
within_patience lists_set "$2" "$set_id"
"$manyhands" ls --from "$2"

echo "fetching the set from $3"
within_patience has_all "$3" "$set_id"
ls -l "$work/got"
for file in hello.txt empty.bin random.bin "odd name; \$(no) 'command' ü 🦦.txt"; do
    cmp "$work/put/$file" "$work/got/$file"
done
echo "every file arrived as it was"
