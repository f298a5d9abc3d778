#!/bin/bash
# Freezes the program into one file for the toolchain's target: adds the version to the sources, links them with the
# interpreter, and on Linux runs the program once to write its memory into the file.
# usage: [SNAPSHOT=0] [WORK=FOLDER] freeze.sh TOOLCHAIN VERSION OUTPUT
set -eu -o pipefail

toolchain=$1
version=$2
output=$(realpath -m "$3")
here=$(dirname "$(readlink -f "$0")")
project=$(readlink -f "$here/../..")
work=${WORK:-$project/.cache/binary}
snapshot=${SNAPSHOT:-1}
# macOS checks the signature of every page, and has no static C library.
[ ! -e "$toolchain/bin/clang" ] || snapshot=0

rm -rf "$work"
mkdir -p "$work/source" "$(dirname "$output")"
cp -R "$project/exec_cf" "$work/source/"
rm -rf "$work"/source/exec_cf/__pycache__
echo "version = \"$version\"" > "$work/source/exec_cf/_version.py"
if [ "$snapshot" = 1 ]; then
  cp "$here/snapshot/start_prepared.py" "$work/source/start.py"
  cp "$here/snapshot/prepare.py" "$work/source/"
else
  cp "$here/freeze/start.py" "$work/source/"
fi

# Not used by this program, although other packages import them or may do so.
unused=anyio,trio,sniffio,click,rich,pygments,h2,socksio,brotli,brotlicffi,zstandard,typing_extensions,tomli,tomli_w
unused+=,httpx._main,asyncio,unittest,doctest,pydoc,pdb,multiprocessing,concurrent,_hashlib,_zoneinfo,bz2,_bz2,lzma,_lzma
unused+=,grp,mmap,ctypes,_csv,csv,pyexpat,termios,readline,cmath,resource,_elementtree,_pydecimal,_pydatetime,_pyio
unused+=,pickle,_pickle,ftplib,tarfile,zipfile,tomllib,tracemalloc,argparse,gettext,getpass,statistics,fractions,subprocess
unused+=,email._header_value_parser,email.contentmanager,email.generator,email.headerregistry,email.policy
# Not importable, since they need something that is left out.
unused+=,yaml.cyaml,httpcore._backends.anyio,httpcore._backends.trio
unused+=,httpcore._async.http2,httpcore._async.socks_proxy,httpcore._sync.http2,httpcore._sync.socks_proxy
# Imported by name, which the freezer cannot see.
unseen=(encodings.idna encodings.punycode encodings.utf_16 encodings.utf_16_le encodings.utf_8_sig)
unseen+=(msgspec._utils uuid decimal numbers datetime enum)

export LC_ALL=C TZ=UTC SOURCE_DATE_EPOCH=0 PYTHONHASHSEED=0 PYTHONPATH=$work/source
CFLAGS="-O2 -fstack-protector-strong -fno-asynchronous-unwind-tables -fno-unwind-tables -ffunction-sections -fdata-sections"
CFLAGS+=" -ffile-prefix-map=$work=. -ffile-prefix-map=$toolchain=."
if [ -e "$toolchain/bin/clang" ]; then
  # For macOS. The linker signs the file, so it must not be stripped afterwards.
  export CC=$here/freeze/macos/clang MACOS_CC=$toolchain/bin/clang
  LDFLAGS="-Wl,-dead_strip -Wl,-x"
  finish() { cp "$1" "$2"; }
else
  export CC=$toolchain/bin/musl-gcc
  CFLAGS+=" -fno-builtin-malloc -fno-builtin-calloc"
  wrapped=(patchInspectModule getOriginalArgv0Object readlink Py_PreInitialize Py_InitializeFromConfig)
  if [ "$snapshot" = 1 ]; then
    CFLAGS+=" -DSNAPSHOT=1 -I$here/snapshot"
    wrapped+=(__libc_start_main Py_Exit mmap getrandom syscall clock_gettime __clock_gettime fstat)
    LDFLAGS="-static -no-pie"
  else
    LDFLAGS="-static-pie -Wl,-z,pack-relative-relocs"
  fi
  # Unpacked relocations take a megabyte, and for aarch64 the GNU linker of Debian 12 does not pack them. LLVM's linker needs
  # the maximum page size of 64 KiB, or the end of the read-only part would stay writable.
  if [ "$(uname -m)" = aarch64 ]; then
    LDFLAGS=${LDFLAGS/-z,pack-relative-relocs/--pack-dyn-relocs=relr}" -fuse-ld=lld -Wl,-z,common-page-size=65536"
  fi
  # musl gives a thread 128 KiB of stack, where a deep recursion ends in a crash instead of an error.
  LDFLAGS+=" -Wl,-z,relro,-z,now -Wl,-z,noexecstack -Wl,-z,stack-size=8388608"
  LDFLAGS+=" -Wl,--gc-sections -Wl,-O1 -Wl,--exclude-libs,ALL -Wl,--build-id=none $(printf ' -Wl,--wrap=%s' "${wrapped[@]}")"
  finish() { strip --strip-all --remove-section=.comment "$1" -o "$2"; }
  [ "$snapshot" = 0 ] || finish() { "$here/snapshot/take.sh" "$toolchain" "$work" "$1" "$2"; }
fi
export CFLAGS LDFLAGS SNAPSHOT=$snapshot
cd "$work"
"$toolchain/usr/bin/python3" -m nuitka --standalone --static-libpython=yes --deployment --lto=no \
  --user-plugin="$here/freeze/plugin.py" --report=report.xml --output-filename=program --assume-yes-for-downloads \
  --python-flag=no_site,no_docstrings,no_asserts,isolated,no_warnings \
  --jobs="${JOBS:-$(nproc)}" --nofollow-import-to="$unused" "${unseen[@]/#/--include-module=}" \
  --noinclude-data-files='*' source/start.py > nuitka.log 2>&1 ||
  { tail -n 40 nuitka.log >&2; echo "the freezer failed; the whole log: $work/nuitka.log" >&2; exit 1; }

# A process may still be running an older one, which cannot be written to.
rm -f "$output"
finish start.dist/program "$output"
