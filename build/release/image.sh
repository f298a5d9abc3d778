#!/bin/sh
# Builds the image of one platform as an OCI archive, without a daemon and without running anything in it.
# usage: image.sh BINARY PLATFORM VERSION OUTPUT      PLATFORM as the image format writes it, such as linux/amd64
set -eu

binary=$1 platform=$2 version=$3 output=$4
here=$(dirname "$(readlink -f "$0")")
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

install -m 755 "$binary" "$scratch/orch-executor-cf-worker"
rm -f "$output"
# A store of its own: nothing is left behind, and `vfs` needs neither root nor a kernel module.
buildah --storage-driver vfs --root "$scratch/store" --runroot "$scratch/run" build --quiet \
  --isolation chroot --platform "$platform" --timestamp "${SOURCE_DATE_EPOCH:-315532800}" \
  --label org.opencontainers.image.title=orch-executor-cf-worker --label "org.opencontainers.image.version=$version" \
  --label org.opencontainers.image.licenses=Apache-2.0 --label "org.opencontainers.image.source=${IMAGE_SOURCE:-}" \
  --file "$here/Containerfile" --tag "oci-archive:$output:$version" "$scratch" >/dev/null
echo "$output"
