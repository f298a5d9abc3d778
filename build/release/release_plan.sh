#!/bin/sh
# Prints the version that a run of the release workflow builds. Fails for a TAG that is not the release of this tree, is
# not on main, or has no notes. Without a TAG, as in a dry run, any tree will do. It does not decide
# whether anything is published, since it belongs to the tree that is being released.
# usage: release_plan.sh [TAG] >> "$GITHUB_OUTPUT"
set -eu

tag=${1:-}
here=$(dirname "$0")
if [ -n "$tag" ]; then
  version=$(.venv/bin/python "$here/version.py" --tag "$tag")
  git merge-base --is-ancestor HEAD origin/main || { echo "$tag: its commit is not on main" >&2; exit 1; }
  .venv/bin/python "$here/release_notes.py" "$version" >/dev/null
else
  version=$(.venv/bin/python "$here/version.py")
fi
echo "version=$version"
