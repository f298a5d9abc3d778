#!/bin/sh
# Says what a run of the release workflow is to build: the version, the commit, and whether to publish. Only the tag of
# the tree itself, with its notes written, is published.
# usage: release_plan.sh EVENT DRY_RUN TAG >> "$GITHUB_OUTPUT"
set -eu

event=$1 dry_run=$2 tag=$3
here=$(dirname "$0")
if [ "$event" = push ] || [ "$dry_run" = false ]; then
  publish=true
  version=$(.venv/bin/python "$here/version.py" --tag "$tag")
  git merge-base --is-ancestor HEAD origin/main || { echo "$tag: its commit is not on main" >&2; exit 1; }
  .venv/bin/python "$here/release_notes.py" "$version" >/dev/null
else
  publish=false
  version=$(.venv/bin/python "$here/version.py")
fi
echo "version=$version"
echo "commit=$(git rev-parse HEAD)"
echo "publish=$publish"
