# The interpreter once more, together with its optimised library, the packages to freeze and the compiler that does it:
# one folder is all that freeze.sh has to know.

cp -a "$cpython/usr" "$OUT/usr"
site=$OUT/usr/lib/python3.13/site-packages
cp -R "$packages"/runtime/. "$packages"/freezer/. "$site/"
rm -rf "$OUT/usr/lib/python3.13/ctypes"
cp -R "$here"/toolchain/standins/. "$site/"
ln -sf "$library/libpython3.13.a" "$(echo "$OUT"/usr/lib/python3.13/config-3.13*/libpython3.13.a)"
ln -sf "$library/libpython3.13.a" "$OUT/usr/lib/"
ln -s "$musl/bin" "$OUT/bin"
