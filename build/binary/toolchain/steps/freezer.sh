# The interpreter once more, together with its optimised library, the packages to freeze and the compiler that does it:
# one folder is all that freeze.sh has to know.

cp -a "$cpython/usr" "$OUT/usr"
site=$OUT/usr/lib/$python/site-packages
cp -R "$packages"/runtime/. "$packages"/freezer/. "$site/"
rm -rf "$OUT/usr/lib/$python/ctypes"
cp -R "$here"/toolchain/standins/. "$site/"
ln -sf "$library/lib$python.a" "$(echo "$OUT"/usr/lib/$python/config-${python#python}*/lib$python.a)"
ln -sf "$library/lib$python.a" "$OUT/usr/lib/"
ln -s "$musl/bin" "$OUT/bin"
