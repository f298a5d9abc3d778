#!/bin/bash
# Fetches the pinned source tarballs into the folder $1: with apt, under a configuration of its own, because the machine's
# list usually names neither sources nor the suite that has them; what the archive no longer has, from upstream.
# usage: fetch.sh FOLDER            fetch
#        fetch.sh FOLDER --list     print every version of the pinned packages that the archive lists, security suites too
set -eu -o pipefail

sources=$1
here=$(dirname "$(readlink -f "$0")")
apt=$sources/.apt

pins() { grep -v '^#' "$here/sources.tsv"; }

verified() { (cd "$sources" && echo "$2  $1" | sha256sum --check --status 2>/dev/null); }

all_verified() {
  while read -r _ _ file sum _; do verified "$file" "$sum" || return 1; done < <(pins)
}

# The mirror and its keys are the machine's own; only the suite and the kind of package differ.
sites() { apt-get indextargets --format '$(SITE) $(CODENAME)' 'Created-By: Packages'; }

private_lists() {
  mkdir -p "$apt/lists/partial" "$apt/cache/archives/partial"
  local site security
  site=$(apt-get indextargets --format '$(SITE) $(ORIGIN)' 'Created-By: Packages' | awk '$2 == "Debian" {print $1; exit}')
  [ -n "$site" ] || site=$(apt-get indextargets --format '$(SITE)' 'Created-By: Packages' | head -n 1)
  security=$(sites | awk '$2 ~ /-security$/ {print $1; exit}')
  { pins | cut -f 2; echo sid; } | sort -u | while read -r suite; do
    echo "deb-src [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $site $suite main"
    [ -z "$security" ] || [ "$suite" = sid ] ||
      echo "deb-src [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $security $suite-security main"
  done > "$apt/sources.list"
}

own=(-o Dir::Etc::sourcelist="$apt/sources.list" -o Dir::Etc::sourceparts=/dev/null -o Dir::State::lists="$apt/lists"
  -o Dir::Cache="$apt/cache" -o Dir::Etc::preferences=- -o Dir::Etc::preferencesparts=/dev/null -o APT::Sandbox::User="")

from_archive() {
  local package=$1 file=$2 version
  version=$(apt-cache "${own[@]}" showsrc --only-source "$package" |
    awk -v file="$file" '$1 == "Version:" {version = $2} $3 == file {print version; exit}')
  [ -n "$version" ] && (cd "$sources" && apt-get -qq "${own[@]}" source --download-only --tar-only "$package=$version" >&2)
}

from_upstream() {
  local file=$1 url=$2
  [ "$url" != - ] && curl --fail --silent --show-error --location --connect-timeout 20 --output "$sources/$file" "$url"
}

fetch() {
  local package=$1 file=$2 sum=$3 url=$4
  { from_archive "$package" "$file" && verified "$file" "$sum"; } && return
  { from_upstream "$file" "$url" && verified "$file" "$sum"; } && return
  echo "$file (SHA-256 $sum) cannot be had from the archive or from upstream; the archive lists:" >&2
  { apt-cache "${own[@]}" showsrc --only-source "$package" || true; } |
    awk 'length($1) == 64 && $3 ~ /\.orig\.tar\.[a-z]+$/ {print "  " $1, $3}' >&2
  echo "Put the newest into build/binary/toolchain/sources.tsv." >&2
  exit 1
}

listed() {
  pins | cut -f 1 | while read -r package; do
    apt-cache "${own[@]}" showsrc --only-source "$package" | awk -v package="$package" '$1 == "Version:" {print package, $2}'
  done
}

mkdir -p "$sources"
[ "${2:-}" = --list ] || { all_verified && exit 0; }
{ private_lists && apt-get -qq "${own[@]}" update; } || echo "fetch.sh: not all of the archive can be reached" >&2
if [ "${2:-}" = --list ]; then listed && exit; fi
while IFS=$'\t' read -r package _ file sum url; do
  verified "$file" "$sum" || fetch "$package" "$file" "$sum" "$url"
done < <(pins)
