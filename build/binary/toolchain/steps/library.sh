# The interpreter's library as one object, optimised at link time once, instead of each time that the program is linked.
# Functions and data keep their sections, so that the linker can still drop them. The archive also contains the libraries
# that it refers to, since the freezer links with this one file.

"$musl/bin/musl-gcc" -O2 $COMMON_CFLAGS -fPIE -ffunction-sections -fdata-sections -flto -flinker-output=nolto-rel -nostdlib -r \
  -Wl,--whole-archive "$cpython"/usr/lib/$python/config-${python#python}*/lib$python.a -Wl,--no-whole-archive -o python.o
gcc-ar M <<SCRIPT
create $OUT/lib$python.a
addmod python.o
addlib $cpython/usr/lib/libHacl_Hash_SHA2.a
addlib $cpython/usr/lib/libmpdec.a
addlib $openssl/usr/lib/libssl.a
addlib $openssl/usr/lib/libcrypto.a
addlib $zlib/lib/libz.a
save
end
SCRIPT
