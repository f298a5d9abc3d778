# The C library that the binary is linked with, because it may be linked statically without a loss: glibc's name
# resolution would load libraries of the machine that the binary runs on. Comes with a compiler that targets it.

unpack musl
CC=gcc CFLAGS="-O2 $COMMON_CFLAGS -ffunction-sections -fdata-sections" ./configure --prefix="$OUT" --syslibdir="$OUT/lib" --enable-wrapper=no
make -j"$JOBS"
make install
# OpenSSL and CPython include the kernel's headers.
for headers in linux asm-generic; do ln -s "/usr/include/$headers" "$OUT/include/"; done
ln -s "/usr/include/$(gcc -print-multiarch)/asm" "$OUT/include/"

sh tools/musl-gcc.specs.sh "$OUT/include" "$OUT/lib" "$OUT/lib/libc.so" > specs
# musl's own specs know nothing of static-pie: without these it would be linked for a dynamic loader.
sed -e 's|^%{!shared: \(.*\)/Scrt1.o}|%{static-pie: \1/rcrt1.o; !shared: \1/Scrt1.o}|' \
  -e 's|^-dynamic-linker [^ ]*|%{static-pie: -static -pie --no-dynamic-linker -z text; static: -static; !shared: &}|' \
  -e 's| %{static:-static}||' specs > "$OUT/lib/musl-gcc.specs"
grep -q 'rcrt1.o; !shared' "$OUT/lib/musl-gcc.specs"
grep -q -- '--no-dynamic-linker' "$OUT/lib/musl-gcc.specs"

# Atomic operations of libgcc that pick an instruction while the program runs call a function that only glibc has.
inline=
[ "$(uname -m)" != aarch64 ] || inline=-mno-outline-atomics

mkdir -p "$OUT/bin"
# CPython's configure goes by the compiler's name (whether it is gcc, so that profiles work) and by the platform that
# the compiler prints (Debian's answer would be that of glibc).
cat > "$OUT/bin/musl-gcc" <<WRAPPER
#!/bin/sh
[ "\$*" != --print-multiarch ] || exit 0
exec gcc $inline "\$@" -specs "$OUT/lib/musl-gcc.specs"
WRAPPER
chmod +x "$OUT/bin/musl-gcc"
