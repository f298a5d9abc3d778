# The interpreter, with every extension module that the program uses built in, optimised for the program's own kind of
# work (profile) and as a whole (link time). It is linked dynamically itself: it has to run the freezer.

unpack "$python"
recipe=$here/toolchain/cpython

export CC=$musl/bin/musl-gcc AR=gcc-ar
# -fwrapv and -DNDEBUG are CPython's own; the sections let the linker drop what nothing refers to.
./configure --prefix=/usr --disable-shared --disable-test-modules --without-ensurepip --without-doc-strings \
  --with-openssl="$openssl/usr" --enable-optimizations --with-lto=full --with-pkg-config=no --without-readline \
  OPT="-DNDEBUG -O2 -fwrapv" CFLAGS="-g0 $COMMON_CFLAGS -fPIE -ffunction-sections -fdata-sections" \
  CPPFLAGS="-I$zlib/include" LDFLAGS="-L$zlib/lib"
# Without this configure has not believed in the compiler, and both builds would be the same unoptimised one.
grep -q '^PGO_PROF_USE_FLAG=.*-fprofile-use' Makefile

sed "s|@OPENSSL@|$openssl/usr|g; s|@ZLIB@|$zlib|g" "$recipe/Setup.local" > Modules/Setup.local
cp "$packages"/source/msgspec-*/src/msgspec/*.[ch] Modules/
cp "$recipe/_msgspec_core.c" Modules/
make Makefile Modules/config.c
# A module inside a package is found by the importer of built-in modules under its full name.
sed -i 's/{"_msgspec_core", /{"msgspec._core", /' Modules/config.c
grep -q '"msgspec._core", PyInit__msgspec_core' Modules/config.c

# What counts for the profile is gcc's own and made for glibc: on aarch64 it calls this, which musl keeps to itself. The
# Makefile removes every *.o between the two builds.
cat > getauxval.c <<'SOURCE'
unsigned long getauxval(unsigned long);
unsigned long __getauxval(unsigned long kind) { return getauxval(kind); }
SOURCE
"$CC" -c -O2 -fPIC getauxval.c -o getauxval.obj

# The interpreter that runs the freezer and the one that is profiled need no slow link: only the library is kept.
SITE=$packages/runtime make -j"$JOBS" PROFILE_TASK="$recipe/training.py" PGO_PROF_GEN_FLAG="-fprofile-generate -fno-lto" \
  CFLAGS_NODIST=-g0 LDFLAGS_NODIST="-fno-lto $PWD/getauxval.obj"
make install DESTDIR="$OUT"
cp Modules/_hacl/libHacl_Hash_SHA2.a Modules/_decimal/libmpdec/libmpdec.a "$OUT/usr/lib/"
