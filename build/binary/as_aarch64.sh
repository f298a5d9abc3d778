#!/bin/bash
# Runs a command on another machine as on aarch64: its compiler and linker are those for aarch64, and the kernel runs what
# they make under QEMU's emulation. So the build for aarch64 is the same everywhere, only slower.
# usage: as_aarch64.sh COMMAND...
set -eu -o pipefail

[ "$(uname -m)" != aarch64 ] || exec "$@"
if ! command -v aarch64-linux-gnu-gcc > /dev/null || ! command -v ld.lld > /dev/null ||
  [ ! -e /proc/sys/fs/binfmt_misc/qemu-aarch64 ]; then
  echo "as_aarch64.sh: needs the Debian packages gcc-aarch64-linux-gnu, lld, qemu-user-static and binfmt-support" >&2
  exit 1
fi
tools=$(mktemp -d)
trap 'rm -rf "$tools"' EXIT
for tool in /usr/bin/aarch64-linux-gnu-*; do
  ln -s "$tool" "$tools/${tool#/usr/bin/aarch64-linux-gnu-}"
done
ln -s "$(command -v ld.lld)" "$tools/aarch64-linux-gnu-ld.lld"
cat > "$tools/uname" <<'UNAME'
#!/bin/sh
[ "$*" != -m ] || exec echo aarch64
exec /usr/bin/uname "$@"
UNAME
# What a test compiles for itself is for this machine.
printf '#!/bin/sh\nPATH="%s" exec cc "$@"\n' "$PATH" > "$tools/cc"
chmod +x "$tools/uname" "$tools/cc"
PATH=$tools:$PATH "$@"
