# As openssl.sh, for macOS, with the same parts left out and no folder of this machine in it.

unpack openssl
without=$(grep -oE '\bno-[a-z0-9_-]+' "$here/toolchain/steps/openssl.sh")
CC=$machine-clang AR=ar RANLIB=ranlib ./Configure "darwin64-$machine-cc" --prefix=/usr --libdir=lib --openssldir=/etc/ssl \
  $without -Os -fvisibility=hidden
make -j"$JOBS" build_libs
make install_dev DESTDIR="$OUT"
