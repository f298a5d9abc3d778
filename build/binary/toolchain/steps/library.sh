# The interpreter's library as one object that was optimised as a whole, here and once instead of at each link of the
# program; what the linker can still drop from it stands in sections of its own. With it in one archive is all that it
# refers to, since that is the one file that the freezer links with.

"$musl/bin/musl-gcc" -O2 -fPIE -ffunction-sections -fdata-sections -flto -flinker-output=nolto-rel -nostdlib -r \
  -Wl,--whole-archive "$cpython"/usr/lib/python3.13/config-3.13*/libpython3.13.a -Wl,--no-whole-archive -o python.o
gcc-ar M <<SCRIPT
create $OUT/libpython3.13.a
addmod python.o
addlib $cpython/usr/lib/libHacl_Hash_SHA2.a
addlib $cpython/usr/lib/libmpdec.a
addlib $openssl/lib/libssl.a
addlib $openssl/lib/libcrypto.a
addlib $zlib/lib/libz.a
save
end
SCRIPT
