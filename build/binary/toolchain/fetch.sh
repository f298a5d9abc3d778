#!/bin/bash
# Fetches the pinned source tarballs into the folder $1 with apt, under a configuration of its own, because the machine's
# list usually names neither sources nor the suite that has them.
set -eu -o pipefail

sources=$1
here=$(dirname "$(readlink -f "$0")")
apt=$sources/.apt

pins() { grep -v '^#' "$here/sources.tsv"; }

verified() { (cd "$sources" && echo "$2  $1" | sha256sum --check --status 2>/dev/null); }

all_verified() {
  while read -r _ _ file sum; do verified "$file" "$sum" || return 1; done < <(pins)
}

# The mirror and its keys are the machine's own; only the suite and the kind of package differ.
private_lists() {
  mkdir -p "$apt/lists/partial" "$apt/cache/archives/partial"
  local site
  site=$(apt-get indextargets --format '$(SITE) $(ORIGIN)' 'Created-By: Packages' | awk '$2 == "Debian" {print $1; exit}')
  [ -n "$site" ] || site=$(apt-get indextargets --format '$(SITE)' 'Created-By: Packages' | head -n 1)
  pins | cut -f 2 | sort -u | while read -r suite; do
    echo "deb-src [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $site $suite main"
  done > "$apt/sources.list"
}

own=(-o Dir::Etc::sourcelist="$apt/sources.list" -o Dir::Etc::sourceparts=/dev/null -o Dir::State::lists="$apt/lists"
  -o Dir::Cache="$apt/cache" -o Dir::Etc::preferences=- -o Dir::Etc::preferencesparts=/dev/null -o APT::Sandbox::User="")

fetch() {
  local package=$1 file=$2 sum=$3 version
  version=$(apt-cache "${own[@]}" showsrc --only-source "$package" |
    awk -v file="$file" '$1 == "Version:" {version = $2} $3 == file {print version; exit}')
  if [ -z "$version" ]; then
    echo "$file is no longer in Debian; it has now:" >&2
    apt-cache "${own[@]}" showsrc --only-source "$package" | awk 'length($1) == 64 && $3 ~ /\.orig\.tar\.[a-z]+$/ {print "  " $1, $3}' >&2
    echo "Put the newest into build/binary/toolchain/sources.tsv." >&2
    exit 1
  fi
  (cd "$sources" && apt-get -qq "${own[@]}" source --download-only --tar-only "$package=$version")
  verified "$file" "$sum" || { echo "$file: its SHA-256 is not the pinned one" >&2; exit 1; }
}

mkdir -p "$sources"
all_verified && exit 0
private_lists
apt-get -qq "${own[@]}" update
while IFS=$'\t' read -r package _ file sum; do
  verified "$file" "$sum" || fetch "$package" "$file" "$sum"
done < <(pins)
