# The binary's C library, since it loses nothing when it is linked statically: glibc would load the machine's libraries to
# resolve names. Comes with a compiler that targets it.

unpack musl
CC=gcc CFLAGS="-O2 $COMMON_CFLAGS -ffunction-sections -fdata-sections" ./configure --prefix="$OUT" --syslibdir="$OUT/lib" --enable-wrapper=no
make -j"$JOBS"
make install
# OpenSSL and CPython include the kernel's headers.
for header in linux/version.h asm-generic/types.h asm/types.h; do
  found=$(echo "#include <$header>" | gcc -M -x c - | grep -o "[^ ]*/$header" | head -n 1)
  ln -s "$(dirname "$(readlink -f "$found")")" "$OUT/include/"
done

sh tools/musl-gcc.specs.sh "$OUT/include" "$OUT/lib" "$OUT/lib/libc.so" > specs
# musl's own specs do not know static-pie: such a program would be linked for a dynamic loader.
sed -e 's|^%{!shared: \(.*\)/Scrt1.o}|%{static-pie: \1/rcrt1.o; !shared: \1/Scrt1.o}|' \
  -e 's|^-dynamic-linker [^ ]*|%{static-pie: -static -pie --no-dynamic-linker -z text; static: -static; !shared: &}|' \
  -e 's| %{static:-static}||' specs > "$OUT/lib/musl-gcc.specs"
grep -q 'rcrt1.o; !shared' "$OUT/lib/musl-gcc.specs"
grep -q -- '--no-dynamic-linker' "$OUT/lib/musl-gcc.specs"

# libgcc's atomic operations, which choose an instruction at run time, call a function that only glibc has.
inline=
[ "$(uname -m)" != aarch64 ] || inline=-mno-outline-atomics

mkdir -p "$OUT/bin"
# CPython's configure recognises gcc by its name, and asks it for the platform, where Debian's gcc would name glibc's.
cat > "$OUT/bin/musl-gcc" <<WRAPPER
#!/bin/sh
[ "\$*" != --print-multiarch ] || exit 0
exec gcc $inline "\$@" -specs "$OUT/lib/musl-gcc.specs"
WRAPPER
chmod +x "$OUT/bin/musl-gcc"
