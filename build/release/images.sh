#!/bin/sh
# Builds the image of every Linux platform from the archives of a release, as OCI archives beside them.
# usage: images.sh VERSION FOLDER
set -eu

version=$1 folder=$2
here=$(dirname "$0")
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

python3 "$here/platforms.py" --images > "$scratch/platforms"
while read -r platform image_platform; do
  name=orch-executor-cf-worker-$version-$platform
  tar -xzf "$folder/$name.tar.gz" -C "$scratch"
  "$here/image.sh" "$scratch/$name/orch-executor-cf-worker" "$image_platform" "$version" "$folder/$name.oci.tar"
done <"$scratch/platforms"
