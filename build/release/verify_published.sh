#!/bin/sh
# Installs the published release in each way that the README names, runs it, and verifies its signatures.
# usage: verify_published.sh VERSION REPOSITORY [IMAGE]      REPOSITORY is its URL
set -eu

version=$1 repository=$2 image=${3:-}
here=$(dirname "$0")
program=orch-executor-cf-worker
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

# A package index may take a while to show a new release.
patiently() {
  for wait in 10 20 40 80 160 0; do
    if "$@"; then return 0; fi
    sleep "$wait"
  done
  echo "verify_published.sh: still failing: $*" >&2
  return 1
}

# As in docs/installing.md: signed by this workflow, for this tag.
signed_by_release() {
  patiently gh attestation verify "$1" --repo "${repository#*://*/}" \
    --cert-identity "$repository/.github/workflows/release.yml@refs/tags/v$version"
}

python3 -m venv "$scratch/venv"
patiently "$scratch/venv/bin/pip" install --quiet --no-cache-dir "$program==$version"
python3 "$here/smoke.py" "$version" "$scratch/venv/bin/$program"

patiently curl --fail --silent --show-error --location --output "$scratch/install.sh" \
  "$repository/releases/download/v$version/install.sh"
signed_by_release "$scratch/install.sh"
sh "$scratch/install.sh" --to "$scratch/bin"
python3 "$here/smoke.py" "$version" "$scratch/bin/$program"

if [ -n "$image" ] && command -v docker >/dev/null 2>&1; then
  patiently docker pull --quiet "$image:$version"
  signed_by_release "oci://$image:$version"
  python3 "$here/smoke.py" "$version" docker run --rm --interactive --network host --env CF_WORKER_BOOTSTRAP "$image:$version"
fi
