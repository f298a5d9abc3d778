#!/bin/sh
# Pushes the images of a folder as one multi-platform image.
# usage: publish_images.sh IMAGE VERSION FOLDER      IMAGE with its registry and path, without a tag
# REGISTRY_USER and REGISTRY_TOKEN log in. Prints `digest=sha256:...`, the digest that both tags now refer to.
set -eu

image=$1 version=$2 folder=$3
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
export REGISTRY_AUTH_FILE="$scratch/auth.json"
buildah() { command buildah --storage-driver vfs --root "$scratch/store" --runroot "$scratch/run" "$@"; }

{
  printf '%s' "$REGISTRY_TOKEN" | buildah login --username "$REGISTRY_USER" --password-stdin "${image%%/*}"
  buildah manifest create release
  for archive in "$folder"/orch-executor-cf-worker-"$version"-linux-*.oci.tar; do
    buildah manifest add release "oci-archive:$archive"
  done
  for tag in "$version" latest; do
    buildah manifest push --all --digestfile "$scratch/$tag" release "docker://$image:$tag"
  done
} >&2
digest=$(cat "$scratch/$version")
[ "$digest" = "$(cat "$scratch/latest")" ] || { echo "publish_images.sh: the tags name different images" >&2; exit 1; }
echo "digest=$digest"
