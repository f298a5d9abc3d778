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

case $(gh release view "$tag" --json isDraft --jq .isDraft 2>/dev/null || true) in
  true) gh release delete "$tag" --yes ;;
  false)
    echo "$tag is public already, and stays as it is"
    exit 0
    ;;
esac
gh release create "$tag" --draft --verify-tag --title "$version" --notes-file "$notes" "$folder"/*
gh release edit "$tag" --draft=false --latest
