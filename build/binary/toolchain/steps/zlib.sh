# Compressed answers of a server are read with it.

tar -xzf "$SOURCES"/zlib_*.orig.tar.gz --strip-components 1
CC=$musl/bin/musl-gcc CFLAGS="-O2 -fPIC -ffunction-sections -fdata-sections" ./configure --static --prefix="$OUT"
make -j"$JOBS" libz.a
make install
