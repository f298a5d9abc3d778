#!/bin/bash
# Installs the Debian packages that the build needs, because a fresh machine has no compiler; without root it names them.
set -eu -o pipefail

declare -A package_of=(
  [gcc]=gcc [ld]=binutils [make]=make [perl]=perl [xz]=xz-utils [patchelf]=patchelf
  [/usr/include/linux/version.h]=linux-libc-dev
)
[ "$(uname -m)" != aarch64 ] || package_of[ld.lld]=lld
missing=()
for need in "${!package_of[@]}"; do
  [ -e "$need" ] || command -v "$need" >/dev/null || missing+=("${package_of[$need]}")
done
[ ${#missing[@]} -gt 0 ] || exit 0
if [ "$(id -u)" != 0 ]; then
  echo "make binary: install these Debian packages first: ${missing[*]}" >&2
  exit 1
fi
apt-get -qq update
DEBIAN_FRONTEND=noninteractive apt-get -qq install --yes --no-install-recommends "${missing[@]}" >/dev/null
