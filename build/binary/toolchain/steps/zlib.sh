# Decompresses what a server sends compressed.

unpack zlib
CC=$musl/bin/musl-gcc CFLAGS="-O2 $COMMON_CFLAGS -fPIC -ffunction-sections -fdata-sections" ./configure --static --prefix="$OUT"
make -j"$JOBS" libz.a
make install
