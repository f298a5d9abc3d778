#!/bin/sh
# Installs orch-executor-cf-worker: one file, checked against the release's SHA256SUMS.
# Everything runs from the last line, so that a download cut short runs nothing.
set -eu

program=orch-executor-cf-worker
# The URL of the folder that holds the release; a release fills it in.
home=

usage() {
  cat <<END
usage: install.sh [--to FOLDER] [--from URL]

  --to FOLDER   where to put $program (\$HOME/.local/bin, or \$INSTALL_TO)
  --from URL    the folder to download from: a release's, or a mirror's (\$INSTALL_FROM)
END
}

fail() {
  printf 'install.sh: %s\n' "$1" >&2
  exit "${2:-1}"
}

# The platform's name in a release's files.
platform() {
  machine=$(uname -m)
  case $(uname -s) in
    Linux) system=linux ;;
    Darwin) system=macos ;;
    *) system=$(uname -s) ;;
  esac
  case $system-$machine in
    linux-amd64) machine=x86_64 ;;
    linux-arm64) machine=aarch64 ;;
    macos-aarch64) machine=arm64 ;;
  esac
  echo "$system-$machine"
}

# download URL FILE
download() {
  code=0
  if command -v curl >/dev/null 2>&1; then
    # A redirect must not leave https.
    case $1 in https:*) kinds='=https' ;; *) kinds='=http,https' ;; esac
    curl --fail --silent --show-error --location --retry 2 --proto "$kinds" --output "$2" "$1" || code=$?
  elif command -v wget >/dev/null 2>&1; then
    wget -q -O "$2" "$1" || code=$?
  else
    fail "neither curl nor wget is here: install one, or unpack the archive by hand"
  fi
  [ "$code" = 0 ] || fail "cannot fetch $1 into $to: check the address and the space left there"
}

# The SHA-256 of FILE
sha256() {
  if command -v sha256sum >/dev/null 2>&1; then
    sha256sum <"$1" | cut -d ' ' -f 1
  elif command -v shasum >/dev/null 2>&1; then
    shasum -a 256 <"$1" | cut -d ' ' -f 1
  elif command -v openssl >/dev/null 2>&1; then
    openssl dgst -sha256 <"$1" | sed 's/.* //'
  else
    fail "none of sha256sum, shasum and openssl is here to verify the download with: install one"
  fi
}

# Another installer's script or link is not ours to replace: it would believe its own still there.
refuse_to_overwrite() {
  target=$1
  [ -e "$target" ] || [ -L "$target" ] || return 0
  other="was not put there by this installer: remove it first, or choose another folder with --to"
  [ ! -L "$target" ] && [ -f "$target" ] && [ -x "$target" ] || fail "$target $other"
  [ "$(head -c 2 "$target")" != '#!' ] || fail "$target $other"
  case $("$target" --version 2>/dev/null </dev/null || true) in
    "$program "*) ;;
    *) fail "$target $other" ;;
  esac
}

main() {
  to=${INSTALL_TO:-}
  from=${INSTALL_FROM:-$home}
  while [ $# -gt 0 ]; do
    case $1 in
      -h | --help)
        usage
        exit 0
        ;;
      --to | --from)
        [ $# -gt 1 ] && [ -n "$2" ] || fail "$1 needs a value" 64
        if [ "$1" = --to ]; then to=$2; else from=$2; fi
        shift 2
        ;;
      *)
        usage >&2
        fail "unknown argument: $1" 64
        ;;
    esac
  done
  from=${from%/}
  case $from in
    http://?* | https://?*) ;;
    *) fail "this copy does not know its release: say where to download from with --from URL" 64 ;;
  esac
  if [ -z "$to" ]; then
    [ -n "${HOME:-}" ] || fail "HOME is not set: choose a folder with --to" 64
    to=$HOME/.local/bin
  fi
  case $to in
    /*) ;;
    *) to=$PWD/$to ;;
  esac

  mkdir -p "$to" 2>/dev/null || fail "cannot make the folder $to: choose another with --to"
  refuse_to_overwrite "$to/$program"
  # In the folder itself, so that the last step is a rename: the program is there as a whole, or not at all.
  scratch=$to/.$program.$$
  (umask 077 && mkdir "$scratch") 2>/dev/null || fail "cannot write to $to: choose another folder with --to"
  trap 'rm -rf "$scratch"' EXIT
  trap 'exit 129' HUP
  trap 'exit 130' INT
  trap 'exit 143' TERM

  kind=$(platform)
  download "$from/SHA256SUMS" "$scratch/SHA256SUMS"
  line=$(grep -E "^[0-9a-f]{64}  $program-[0-9A-Za-z.+]+-$kind\.tar\.gz\$" "$scratch/SHA256SUMS" || true)
  [ -n "$line" ] || fail "no binary for $kind in $from/SHA256SUMS: use \`pipx install $program\`"
  expected=${line%% *}
  archive=${line##* }
  case $line in
    *"
"*) fail "$from/SHA256SUMS lists more than one archive for $kind" ;;
  esac
  download "$from/$archive" "$scratch/$archive"
  actual=$(sha256 "$scratch/$archive")
  [ "$actual" = "$expected" ] || fail "$archive is not what was released: its SHA-256 is $actual, SHA256SUMS says $expected"

  tar -xzf "$scratch/$archive" -C "$scratch" || fail "cannot unpack $archive into $to: check the space left there"
  new=$scratch/${archive%.tar.gz}/$program
  [ -f "$new" ] || fail "$archive does not hold $program"
  said=$("$new" --version </dev/null) || fail "$program does not run here: use \`pipx install $program\`"
  mv -f "$new" "$to/$program" || fail "cannot put $program into $to"

  echo "$said is in $to"
  case :${PATH:-}: in
    *":$to:"*) ;;
    *) echo "$to is not on PATH: add it, or call $to/$program" ;;
  esac
}

main "$@"
