# As zlib.sh, for macOS.

unpack zlib
CC=$machine-clang AR=ar RANLIB=ranlib CFLAGS="-O2 -fvisibility=hidden" ./configure --static --prefix="$OUT" --uname=Darwin
make -j"$JOBS" libz.a AR=ar ARFLAGS=rc
make install AR=ar ARFLAGS=rc
