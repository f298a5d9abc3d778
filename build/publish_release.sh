#!/bin/sh
# Makes the release of a tag with every file of a folder, in one step: nobody sees half of it. A draft that an earlier
# run left is made anew; what is public already is never touched.
# usage: publish_release.sh VERSION FOLDER      needs gh, and GH_TOKEN and GH_REPO for it
set -eu

version=$1 folder=$2
tag=v$version
notes=$(mktemp)
trap 'rm -f "$notes"' EXIT
python3 "$(dirname "$0")/release_notes.py" "$version" >"$notes"

if [ "$(gh release view "$tag" --json isDraft --jq .isDraft 2>/dev/null || true)" = true ]; then
  gh release delete "$tag" --yes
fi
gh release create "$tag" --draft --verify-tag --title "$version" --notes-file "$notes" "$folder"/*
gh release edit "$tag" --draft=false --latest
