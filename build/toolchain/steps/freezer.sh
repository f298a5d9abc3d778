# The interpreter once more, together with the packages to freeze and the compiler that does it.

cp -a "$cpython/usr" "$OUT/usr"
site=$OUT/usr/lib/python3.13/site-packages
cp -R "$packages"/runtime/. "$packages"/freezer/. "$site/"
cp "$here/toolchain/ctypes.py" "$site/"
rm -rf "$OUT/usr/lib/python3.13/ctypes"

# One object without link-time code: the slow optimisation is done here, once, instead of at each link of the program.
# What the linker can still drop stands in sections of its own.
library=$(echo "$OUT"/usr/lib/python3.13/config-3.13*/libpython3.13.a)
"$musl/bin/musl-gcc" -O2 -fPIC -ffunction-sections -fdata-sections -flto -flinker-output=nolto-rel -nostdlib -r \
  -Wl,--whole-archive "$library" -Wl,--no-whole-archive -o python.o
rm -f "$library" "$OUT"/usr/lib/libpython3.13.a
gcc-ar M <<SCRIPT
create $OUT/usr/lib/libpython3.13.a
addmod python.o
addlib $OUT/usr/lib/libHacl_Hash_SHA2.a
addlib $OUT/usr/lib/libmpdec.a
addlib $openssl/lib/libssl.a
addlib $openssl/lib/libcrypto.a
addlib $zlib/lib/libz.a
save
end
SCRIPT
ln -s "$OUT/usr/lib/libpython3.13.a" "$library"

# One folder is all that freeze.sh has to know.
ln -s "$musl/bin" "$OUT/bin"
