#!/bin/bash
# Runs the frozen program once, and writes an executable that continues from its memory.
# usage: take.sh TOOLCHAIN WORK PROGRAM OUTPUT      WORK has the program's sources and the freezer's output
set -eu -o pipefail

toolchain=$1 work=$2 program=$(readlink -f "$3") output=$4
here=$(dirname "$(readlink -f "$0")")
python=$toolchain/usr/bin/python3

# Modules with data for a single verb: that verb imports them from read-only memory, and they are not in the snapshot.
carried=()
for module in exec_cf._bundle; do
  source=$work/source/${module//.//}.py
  [ ! -e "$source" ] || carried+=("$module=$source")
done
sed -n 's/.*<module name="\([^"]*\)".*/\1/p' "$work/report.xml" | grep -vxF "$(printf '%s\n' __main__ "${carried[@]%%=*}")" > "$work/modules"

# The program is started independently of this machine: without an environment or folder, under a fixed name, and without a
# time zone, whose file would stay mapped. The allocator returns free memory at once, reserves none, and does not count
# processors.
start='import os, sys; os.execve(sys.argv[1], ["program"], dict(each.split("=") for each in sys.argv[2:]))'
settings=(TZ=UTC0 MIMALLOC_PURGE_DELAY=0 MIMALLOC_ARENA_RESERVE=0 MIMALLOC_USE_NUMA_NODES=1)
# The streams are always the same: the interpreter remembers whether it can seek them, which it cannot in a pipe.
memory() {
  local code=0
  (cd / && exec "$python" -I -S -c "$start" "$program" "${settings[@]}" < "$work/modules" 3> "$1" > /dev/null 2> "$work/messages") || code=$?
  cat "$work/messages" >&2
  return $code
}
memory "$work/memory"
memory "$work/memory-again"
cmp "$work/memory" "$work/memory-again" ||
  { echo "take.sh: two snapshots of the program differ, so they depend on the process or this machine" >&2; exit 1; }

"$python" "$here/unused.py" "$work/start.build" "$work/unused" "${carried[@]}"
"$python" "$here/elf.py" "$program" "$work/memory" "$output" "$work"/unused/*

# Texts that reveal where or by whom the file was built. Short names are skipped, since the file may contain them anyway.
for text in "$work" "$toolchain" "${HOME:-/root}/" "$(readlink -f "$here/../../..")" "$(uname -n)" "$(id -un)"; do
  case $text in localhost*) continue ;; /?????*) ;; *) [ ${#text} -gt 8 ] || continue ;; esac
  if grep -qaF -e "$text" "$output"; then
    echo "take.sh: the file contains $text, which is specific to this machine" >&2
    exit 1
  fi
done
