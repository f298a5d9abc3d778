#!/bin/sh
# Builds the image of every Linux platform from the archives of a release, as OCI archives beside them.
# usage: images.sh VERSION FOLDER
set -eu

version=$1 folder=$2
here=$(dirname "$0")
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

for pair in linux-x86_64=linux/amd64 linux-aarch64=linux/arm64; do
  name=orch-executor-cf-worker-$version-${pair%=*}
  tar -xzf "$folder/$name.tar.gz" -C "$scratch"
  "$here/image.sh" "$scratch/$name/orch-executor-cf-worker" "${pair#*=}" "$version" "$folder/$name.oci.tar"
done
