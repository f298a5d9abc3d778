#!/bin/sh
# Publishes the release of a tag with every file of a folder, atomically. A draft of an earlier run is replaced; a public
# release is never changed.
# usage: publish_release.sh VERSION FOLDER      needs gh, and GH_TOKEN and GH_REPO for it
set -eu

version=$1 folder=$2
tag=v$version
notes=$(mktemp)
trap 'rm -f "$notes"' EXIT
python3 "$(dirname "$0")/release_notes.py" "$version" >"$notes"

case $(gh release view "$tag" --json isDraft --jq .isDraft 2>/dev/null || true) in
  true) gh release delete "$tag" --yes ;;
  false)
    echo "$tag is public already; not changed"
    exit 0
    ;;
esac
gh release create "$tag" --draft --verify-tag --title "$version" --notes-file "$notes" "$folder"/*
gh release edit "$tag" --draft=false --latest
