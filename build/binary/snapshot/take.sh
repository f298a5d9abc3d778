#!/bin/bash
# Starts the frozen program once, and writes an executable that continues where it ended.
# usage: take.sh TOOLCHAIN WORK PROGRAM OUTPUT      WORK holds the program's sources and what the freezer left
set -eu -o pipefail

toolchain=$1 work=$2 program=$(readlink -f "$3") output=$4
here=$(dirname "$(readlink -f "$0")")
python=$toolchain/usr/bin/python3

# Modules that carry data for some call: they are imported by that call, from read-only memory, and not in the snapshot.
carried=()
for module in exec_cf._bundle; do
  source=$work/source/${module//.//}.py
  [ ! -e "$source" ] || carried+=("$module=$source")
done
sed -n 's/.*<module name="\([^"]*\)".*/\1/p' "$work/report.xml" | grep -vxF "$(printf '%s\n' __main__ "${carried[@]%%=*}")" > "$work/modules"

# The program is started with as little of this machine as can be: no environment, no folder, the same name everywhere, no
# time zone, since its file would stay mapped. The allocator gives back at once what is free, reserves nothing, and does not
# count processors.
start='import os, sys; os.execve(sys.argv[1], ["program"], dict(each.split("=") for each in sys.argv[2:]))'
settings=(TZ=UTC0 MIMALLOC_PURGE_DELAY=0 MIMALLOC_ARENA_RESERVE=0 MIMALLOC_USE_NUMA_NODES=1)
memory() {
  (cd / && exec "$python" -I -S -c "$start" "$program" "${settings[@]}" < "$work/modules" 3> "$1" > /dev/null)
}
memory "$work/memory"
memory "$work/memory-again"
cmp "$work/memory" "$work/memory-again" ||
  { echo "take.sh: two snapshots of one program differ, so something of one process or of this machine is in it" >&2; exit 1; }

"$python" "$here/unused.py" "$work/start.build" "$work/unused" "${carried[@]}"
"$python" "$here/elf.py" "$program" "$work/memory" "$output" "$work"/unused/*

# What tells where or by whom the file was built. Short names are words that the file may hold for reasons of its own.
for text in "$work" "$toolchain" "${HOME:-/root}/" "$(readlink -f "$here/../../..")" "$(uname -n)" "$(id -un)"; do
  case $text in localhost*) continue ;; /?????*) ;; *) [ ${#text} -gt 8 ] || continue ;; esac
  if grep -qaF -e "$text" "$output"; then
    echo "take.sh: the file holds $text, which is of this machine" >&2
    exit 1
  fi
done
