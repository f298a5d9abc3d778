#!/bin/bash
# Builds the toolchain in a cache outside the clone, one step after another, and prints the last step's folder. A step's
# folder is named after all that went into it, so that nothing is built twice and nothing stale is used.
# usage: toolchain.sh PYTHON [PLATFORM]   (an interpreter that has pip and the pinned build requirements)
# PLATFORM is macos-arm64 or macos-x86_64; without it, the toolchain is for the machine that it is built on.
set -eu -o pipefail

here=$(dirname "$(readlink -f "$0")")
requirements=$here/../../requirements/binary.txt
macos_requirements=$here/../../requirements/macos.txt
platform=${2:-}
case $platform in
  '' | macos-arm64 | macos-x86_64) ;;
  *) echo "toolchain.sh: there is none for $platform here; there are macos-arm64 and macos-x86_64" >&2; exit 64 ;;
esac
cache=${XDG_CACHE_HOME:-$HOME/.cache}/orch-executor-cf-worker
PIP_PYTHON=$(readlink -f "$(dirname "$1")")/$(basename "$1")
SOURCES=$cache/sources
JOBS=${JOBS:-$(nproc)}
# The interpreter's version stands in its pin and nowhere else.
python=$(grep -o '^python3\.[0-9]*' "$here/toolchain/sources.tsv")
# For all C code: checks of the stack, and no tables for unwinding it, which are 0.8 MB and read by nothing.
COMMON_CFLAGS="-fstack-protector-strong -fno-asynchronous-unwind-tables -fno-unwind-tables"
export here requirements macos_requirements PIP_PYTHON SOURCES JOBS python COMMON_CFLAGS
export LC_ALL=C TZ=UTC SOURCE_DATE_EPOCH=0
# A variable that was given to `make`, such as VERSION, would take the place of the sources' own in their makefiles.
unset MAKEFLAGS MAKEOVERRIDES MFLAGS VERSION PLATFORM SNAPSHOT

key=$({ uname -m; gcc --version | head -n 1; ld --version | head -n 1; echo "$COMMON_CFLAGS"; } | sha256sum)

# unpack PACKAGE: leaves its pinned source in the current folder.
unpack() {
  tar -xf "$SOURCES/$(awk -v package="$1" '$1 == package {print $3}' "$here/toolchain/sources.tsv")" --strip-components 1
}
export -f unpack

# step NAME INPUT...: runs steps/NAME.sh unless the cache has its outcome; leaves the folder in the variable NAME.
step() {
  local name=$1 out work log
  shift
  key=$({ echo "$key"; cat "$here/toolchain/steps/$name.sh" "$@"; } | sha256sum | cut -c 1-16)
  out=$cache/$name-$key
  if [ ! -e "$out/.complete" ]; then
    echo "$(date +%T) $name" >&2
    work=$(mktemp -d)
    log=$cache/$name-$key.log
    rm -rf "$out"
    mkdir -p "$out"
    (cd "$work" && OUT=$out exec bash -eu -o pipefail "$here/toolchain/steps/$name.sh") > "$log" 2>&1 ||
      { tail -n 30 "$log" >&2; echo "the step $name failed in $work; the whole log: $log" >&2; exit 1; }
    rm -rf "$work"
    touch "$out/.complete"
  fi
  export "$name=$out"
}

"$here/toolchain/system-packages.sh"
mkdir -p "$cache"
# Two builds at once would tread on each other's folders.
exec 9> "$cache/.lock"
flock 9
"$here/toolchain/fetch.sh" "$SOURCES"

step packages "$requirements"
step musl "$here/toolchain/sources.tsv"
step zlib
step openssl
step cpython "$here"/toolchain/cpython/*
standins=$(find "$here/toolchain/standins" -name "*.py" | sort)
if [ -z "$platform" ]; then
  step library
  step freezer $standins
  echo "$freezer"
  exit
fi

step zig "$macos_requirements"
export machine=${platform#macos-} PATH=$zig/bin:$PATH
key="$key $machine"
step macos_zlib
step macos_openssl "$here/toolchain/steps/openssl.sh"
step macos_library
step macos_freezer "$here/toolchain/steps/freezer.sh" $standins
echo "$macos_freezer"
