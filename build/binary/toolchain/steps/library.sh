# The interpreter's library as one object that was optimised as a whole, here and once instead of at each link of the
# program; what the linker can still drop from it stands in sections of its own. With it in one archive is all that it
# refers to, since that is the one file that the freezer links with.

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
