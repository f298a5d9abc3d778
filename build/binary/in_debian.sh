#!/bin/sh
# Runs a command in this folder in a plain Debian container, since the toolchain gets its compiler and sources from Debian.
# So the binary can be built on any Linux. Needs docker or podman.
# usage: in_debian.sh COMMAND...      for example: build/binary/in_debian.sh make binary
set -eu

image=${DEBIAN_IMAGE:-debian:bookworm-20260824-slim@sha256:88200866dfff7ea7f5cbcb6ec7c8a701889efe6fe859fe64d6990e4b07ea4171}
cache=${XDG_CACHE_HOME:-$HOME/.cache}/orch-executor-cf-worker
packages='binutils ca-certificates curl gcc git libc6-dev linux-libc-dev make npm patchelf perl procps python3-dev python3-venv xz-utils'

for engine in docker podman none; do
  if "$engine" info >/dev/null 2>&1; then break; fi
done
[ "$engine" != none ] || { echo "in_debian.sh: neither docker nor podman works here" >&2; exit 1; }
mkdir -p "$cache"
# The folder is owned by another user than the container's root, and is given back to that user afterwards. Empty variables
# are unset in the container. Root in the container can create the namespaces that the tests of the binary use.
# shellcheck disable=SC2016 # the inner shell expands it
exec "$engine" run --rm --privileged --volume "$PWD:$PWD" --volume "$cache:/root/.cache/orch-executor-cf-worker" \
  --workdir "$PWD" --env CI --env GITHUB_SERVER_URL --env GITHUB_REPOSITORY ${VERSION:+--env VERSION} ${PLATFORM:+--env PLATFORM} ${BUNDLE:+--env BUNDLE} \
  --env GIT_CONFIG_COUNT=1 --env GIT_CONFIG_KEY_0=safe.directory --env "GIT_CONFIG_VALUE_0=$PWD" \
  --env DEBIAN_FRONTEND=noninteractive --env "PACKAGES=$packages" "$image" sh -euc '
    trap "chown -R --reference=. . /root/.cache/orch-executor-cf-worker" EXIT
    apt-get -qq update
    apt-get -qq install --yes --no-install-recommends $PACKAGES >/dev/null
    "$@"' sh "$@"
