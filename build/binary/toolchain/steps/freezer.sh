# A copy of the interpreter with its optimised library, the packages to freeze, the freezer and the compiler, so that
# freeze.sh needs only one folder.

cp -a "$cpython/usr" "$OUT/usr"
site=$OUT/usr/lib/$python/site-packages
cp -R "$packages"/runtime/. "$packages"/freezer/. "$site/"
rm -rf "$OUT/usr/lib/$python/ctypes"
cp -R "$here"/toolchain/standins/. "$site/"
ln -sf "$library/lib$python.a" "$(echo "$OUT"/usr/lib/$python/config-${python#python}*/lib$python.a)"
ln -sf "$library/lib$python.a" "$OUT/usr/lib/"
ln -s "$musl/bin" "$OUT/bin"
