#!/bin/sh
# Installs orch-executor-cf-worker: one file, checked against the release's SHA256SUMS.
# Everything runs from the last line, so that a truncated download runs nothing.
set -eu

program=orch-executor-cf-worker
# The URL of the folder that holds the release; a release fills it in.
home=
newline='
'

usage() {
  cat <<END
usage: install.sh [--to FOLDER] [--from URL]

  --to FOLDER   where to put $program (\$HOME/.local/bin, or \$INSTALL_TO)
  --from URL    the folder to download from: a release's, or a mirror's (\$INSTALL_FROM)
END
}

# In some shells `echo` interprets backslashes.
say() {
  printf '%s\n' "$1"
}

fail() {
  printf 'install.sh: %s\n' "$1" >&2
  exit "${2:-1}"
}

have() {
  command -v "$1" >/dev/null 2>&1
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
    # Under Rosetta, as in the shell of an old Homebrew, uname names the emulated machine.
    macos-x86_64) [ "$(sysctl -n sysctl.proc_translated 2>/dev/null)" != 1 ] || machine=arm64 ;;
  esac
  echo "$system-$machine"
}

# Sets `to` to the absolute path of FOLDER, in which ~ is the user's home.
choose_folder() {
  to=$1
  [ -n "$to" ] || to=\~/.local/bin
  case $to in
    \~ | \~/*)
      case ${HOME:-} in
        /*) to=${HOME%/}${to#\~} ;;
        *) fail "HOME is not set to an absolute path: choose a folder with --to" 64 ;;
      esac
      ;;
    \~*) fail "$to: another user's ~ is not expanded here: write the whole path" 64 ;;
    /*) ;;
    *) to=$PWD/$to ;;
  esac
}

bad_url() {
  fail "the URL to download from is not valid: write it like https://mirror.example/folder, without ? and #" 64
}

# Sets `from` to the URL of a folder, and `shown` to the same without credentials, which is what messages print.
# Over plain http anyone on the way could replace SHA256SUMS along with the archive, so it is for this machine only.
choose_source() {
  from=$1
  while [ "$from" != "${from%/}" ]; do from=${from%/}; done
  case $from in
    '') fail "this copy does not know its release: name the folder to download from with --from URL" 64 ;;
    *[!]A-Za-z0-9._~%:/@[\!\$\&\'\(\)*+,\;=-]*) bad_url ;;
    [Hh][Tt][Tt][Pp][Ss]://*) scheme=https ;;
    [Hh][Tt][Tt][Pp]://*) scheme=http ;;
    *) bad_url ;;
  esac
  rest=${from#*://}
  from=$scheme://$rest
  authority=${rest%%/*}
  # An @ after the first slash may belong to a password with a slash in it.
  case ${rest#"$authority"} in *@*) bad_url ;; esac
  shown=$from
  [ "$authority" = "${authority##*@}" ] || shown="$scheme://***@${rest##*@}"
  host=${authority##*@}
  case ${host##*]} in
    *:*)
      case ${host##*:} in '' | *[!0-9]*) bad_url ;; esac
      host=${host%:*}
      ;;
  esac
  case $host in
    '' | ?*[][]?* | *[!]A-Za-z0-9.:[-]*) bad_url ;;
    \[*\]) ;;
    *[][:]*) bad_url ;;
  esac
  [ "$scheme" = https ] || is_loopback "$host" ||
    fail "$shown is neither https nor on this machine: use https" 64
}

is_loopback() {
  case $1 in
    localhost | '[::1]') ;;
    127.*[!0-9.]* | 127.*.*.*.* | *..* | *. | *[0-9][0-9][0-9][0-9]* | *[3-9][0-9][0-9]* | *2[6-9][0-9]* | *25[6-9]*) return 1 ;;
    127.*.*.*) ;;
    *) return 1 ;;
  esac
}

# with_curl URL, with_gnu_wget URL, with_other_wget URL: write the body to stdout, and `done` or the reason of a failure as
# the last line to descriptor 3.
# The user's configuration is ignored, since it could disable checks. Redirects are followed to https only.
with_curl() {
  case $1 in
    https:*) set -- --proto '=https' "$1" ;;
    *) set -- --proto '=http,https' --noproxy '*' "$1" ;;
  esac
  code=0
  # A transfer that has stalled for a minute is not retried: the pipe has already taken a part of it.
  { said=$(curl -q --fail --silent --show-error --location --max-redirs 10 --proto-redir '=https' --globoff \
    --connect-timeout 20 --speed-limit 1 --speed-time 60 --retry 2 --retry-max-time 60 \
    "$@" 2>&1 >&4 3>&- 4>&-) || code=$?; } 4>&1
  case $code in
    0) reason='done' ;;
    1) reason="it redirects to a URL that is not https" ;;
    23) reason="it is larger than any release" ;;
    *) reason=$(say "$said" | sed -n 's/^curl: //p' | sed -n '$p') ;;
  esac
  say "${reason:-curl failed with exit code $code}" >&3
}

# GNU wget would follow a redirect from https to http, so redirects are followed here.
with_gnu_wget() {
  next=$1
  for _ in 0 1 2 3 4 5 6 7 8 9 10; do
    case $next in
      https:*) set -- "$next" ;;
      *) set -- --no-proxy "$next" ;;
    esac
    code=0
    { said=$(wget --no-config --no-verbose --server-response --max-redirect=0 --timeout=60 --tries=3 \
      --output-document=- "$@" 2>&1 >&4 3>&- 4>&-) || code=$?; } 4>&1
    location=$(say "$said" | sed -n 's/^ *[Ll]ocation: *//p' | head -n 1)
    [ "$code" != 0 ] && [ -n "$location" ] || break
    case $location in
      *://*) next=$location ;;
      //*) next=${next%%:*}:$location ;;
      /*) next=$(say "$next" | sed 's,^\([^:]*://[^/]*\).*,\1,')$location ;;
      *) next=${next%/*}/$location ;;
    esac
    case $next in
      [Hh][Tt][Tt][Pp][Ss]://*) next=https://${next#*://} ;;
      *)
        code=redirect
        break
        ;;
    esac
  done
  case $code in
    0) echo 'done' ;;
    redirect) echo "it redirects to a URL that is not https" ;;
    3) echo "it is larger than any release" ;;
    4) echo "the server cannot be reached" ;;
    5) echo "the server's certificate cannot be verified" ;;
    8) echo "the server answered $(say "$said" | sed -n 's/^ *HTTP[^ ]* \([0-9]*\).*/\1/p' | head -n 1)" ;;
    *) echo "wget failed with exit code $code" ;;
  esac >&3
}

# The wget of BusyBox and others does not check certificates, and follows any redirect.
with_other_wget() {
  case $1 in
    https:*) reason="the wget here does not check certificates: install curl or GNU wget" ;;
    *)
      code=0
      { said=$(wget -q -S -Y off -O - "$1" 2>&1 >&4 3>&- 4>&-) || code=$?; } 4>&1
      reason='done'
      [ "$code" = 0 ] || reason=$(say "$said" | sed -n 's/^wget: //p' | sed -n '$p')
      case $said in *[Ll]ocation:*) reason="it redirects: install curl or GNU wget, which can follow that" ;; esac
      ;;
  esac
  say "${reason:-wget failed with exit code $code}" >&3
}

# download NAME LIMIT: a file of the release, of at most LIMIT bytes, into the scratch folder. It goes through a pipe: a
# confined downloader may not write there, and a flooded one would fill the disk.
download() {
  why=
  for downloader in $downloaders; do
    outcome=$(
      exec 3>&1
      "with_$downloader" "$from/$1" | head -c "$2" >"$scratch/$1" || echo 'not written' >&3
    )
    outcome=${outcome##*"$newline"}
    case $outcome in
      'done') return ;;
      'not written') fail "cannot write $1 into $to: check the space left there" ;;
    esac
    why=${why:-$outcome}
  done
  fail "cannot fetch $shown/$1: $why"
}

# The SHA-256 of FILE
sha256() {
  if have sha256sum; then
    sha256sum <"$1" | cut -d ' ' -f 1
  elif have shasum; then
    shasum -a 256 <"$1" | cut -d ' ' -f 1
  else
    openssl dgst -sha256 <"$1" | sed 's/.* //'
  fi
}

# Sets `downloaders` to those that are here, the best first.
check_tools() {
  missing=
  for tool in cat cut grep gzip head mkdir mv rm sed tar uname; do
    have "$tool" || missing="$missing, $tool"
  done
  [ -z "$missing" ] || fail "not found: ${missing#, }: install what is missing"
  downloaders=
  ! have curl || downloaders=curl
  case $(wget --no-config --version 2>/dev/null) in *'GNU Wget'*) downloaders="$downloaders gnu_wget" ;; esac
  [ -n "$downloaders" ] || ! have wget || downloaders=other_wget
  [ -n "$downloaders" ] || fail "neither curl nor wget is here: install one, or unpack the archive by hand"
  have sha256sum || have shasum || have openssl ||
    fail "none of sha256sum, shasum and openssl is here to verify the download with: install one"
}

# Whether FILE is an earlier release: a binary that contains the program's name. An unknown file is never run.
is_release() {
  [ ! -L "$1" ] && [ -f "$1" ] && [ -x "$1" ] || return 1
  head -c 4 "$1" | grep -q -e "^$(printf '\177ELF')" -e "^$(printf '\317\372\355\376')" && grep -q "$program" "$1"
}

# A script or link of another installer is not replaced, since that installer would still consider it its own.
refuse_to_overwrite() {
  [ ! -e "$1" ] && [ ! -L "$1" ] || is_release "$1" ||
    fail "$1 was not put there by this installer: remove it first, or choose another folder with --to"
}

# Makes `scratch` in the target folder, so that the last step is an atomic rename.
make_scratch() {
  number=0
  # Another container may install into the same folder under the same process number.
  until scratch=$to/.$program.$$.$number && mkdir -m 700 "$scratch" 2>/dev/null; do
    [ -e "$scratch" ] || fail "cannot write to $to: choose another folder with --to"
    number=$((number + 1))
  done
  trap 'rm -rf "$scratch"' EXIT
  trap 'exit 129' HUP
  trap 'exit 130' INT
  trap 'exit 143' TERM
}

# Rejects web pages, lines that end with CR, and truncated files.
is_list_of_checksums() {
  [ -s "$1" ] && ! grep -Eqv '^[0-9a-f]{64}  [0-9A-Za-z._+-]+$' "$1" || return 1
  case $(cat "$1" && echo .) in *"$newline.") ;; *) return 1 ;; esac
}

# Sets `archive` and `expected` to the name and the SHA-256 of this platform's archive in the list FILE.
choose_archive() {
  kind=$(platform)
  is_list_of_checksums "$1" || fail "$shown/SHA256SUMS is not a list of checksums: check the address"
  line=$(grep -E "^[0-9a-f]{64}  $program-[0-9A-Za-z.+]+-$kind\.tar\.gz\$" "$1" || true)
  case $line in
    '') fail "no binary for $kind in $shown/SHA256SUMS: use \`pipx install $program\`" ;;
    *"$newline"*) fail "$shown/SHA256SUMS lists more than one archive for $kind" ;;
  esac
  expected=${line%% *}
  archive=${line##* }
}

# Sets `new` to the program in the verified archive, and `said` to its version line.
unpack() {
  # The name is not passed to tar, which would interpret backslashes and colons in it.
  (cd "$scratch" && tar -xzf - <"$archive") ||
    fail "cannot unpack $archive into $to: check the space left there"
  new=$scratch/${archive%.tar.gz}/$program
  [ -f "$new" ] || fail "$archive does not contain $program"
  code=0
  said=$("$new" --version </dev/null) || code=$?
  case $code:$said in
    0:"$program "*) ;;
    126:*) fail "programs in $to cannot be run, as on a disk mounted noexec: choose another folder with --to" ;;
    *) fail "$program does not run here: use \`pipx install $program\`" ;;
  esac
}

# Prints whether the name alone starts the installed program.
check_path() {
  found=$(command -v "$program" || true)
  # shellcheck disable=SC3013 # every shell that this is tested with knows -ef, and POSIX does since 2024
  if [ -z "$found" ]; then
    say "$to is not on PATH: add it, or call $to/$program"
  elif [ ! "$found" -ef "$to/$program" ]; then
    say "$found comes first on PATH: remove it, or call $to/$program"
  fi
}

main() {
  folder=${INSTALL_TO:-}
  source=${INSTALL_FROM:-$home}
  while [ $# -gt 0 ]; do
    case $1 in
      -h | --help)
        usage
        exit 0
        ;;
      --to | --from)
        [ $# -gt 1 ] && [ -n "$2" ] || fail "$1 needs a value" 64
        if [ "$1" = --to ]; then folder=$2; else source=$2; fi
        shift 2
        ;;
      *)
        usage >&2
        fail "unknown argument: $1" 64
        ;;
    esac
  done
  # The result must not depend on the user's umask or on settings of the tools.
  umask 022
  unset CDPATH GREP_OPTIONS GZIP SYSTEM_WGETRC TAR_OPTIONS WGETRC
  LC_ALL=C
  export LC_ALL
  check_tools
  choose_source "$source"
  choose_folder "$folder"

  mkdir -p "$to" 2>/dev/null || fail "cannot make the folder $to: choose another with --to"
  # The spelling of the folder in PATH.
  ! there=$(cd "$to" 2>/dev/null && pwd) || to=$there
  refuse_to_overwrite "$to/$program"
  make_scratch
  download SHA256SUMS 1048576
  choose_archive "$scratch/SHA256SUMS"
  download "$archive" 268435456
  actual=$(sha256 "$scratch/$archive")
  [ "$actual" = "$expected" ] || fail "$archive is not what was released: its SHA-256 is $actual, SHA256SUMS says $expected"
  unpack
  # Another installer may have put its own file there meanwhile.
  refuse_to_overwrite "$to/$program"
  mv -f "$new" "$to/$program" || fail "cannot put $program into $to"

  say "$said is in $to"
  check_path
}

main "$@"
