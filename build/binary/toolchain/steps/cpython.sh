# The interpreter with all extension modules that the program uses, optimised with a profile of the program's kind of work
# and at link time. It is linked dynamically itself, because it has to run the freezer.

unpack "$python"
recipe=$here/toolchain/cpython

export CC=$musl/bin/musl-gcc AR=gcc-ar
# -fwrapv and -DNDEBUG are CPython's defaults. With the sections, the linker can drop what nothing refers to.
./configure --prefix=/usr --disable-shared --disable-test-modules --without-ensurepip --without-doc-strings \
  --with-openssl="$openssl/usr" --enable-optimizations --with-lto=full --with-pkg-config=no --without-readline \
  OPT="-DNDEBUG -O2 -fwrapv" CFLAGS="-g0 $COMMON_CFLAGS -fPIE -ffunction-sections -fdata-sections" \
  CPPFLAGS="-I$zlib/include" LDFLAGS="-L$zlib/lib"
# Otherwise configure did not recognise gcc, and the profile would not be used.
grep -q '^PGO_PROF_USE_FLAG=.*-fprofile-use' Makefile

sed "s|@OPENSSL@|$openssl/usr|g; s|@ZLIB@|$zlib|g" "$recipe/Setup.local" > Modules/Setup.local
cp "$packages"/source/msgspec-*/src/msgspec/*.[ch] Modules/
cp "$recipe/_msgspec_core.c" Modules/
# Of the modules that the interpreter contains, only the importer is needed: the freezer brings its own of the others.
sed -i '/^    {".*_Py_M_/{/_Py_M__importlib__\|_Py_M__zipimport/!d}' Python/frozen.c
# Each class reserves room for the names of its objects' attributes. Most have few: with 20 instead of 30 a snapshot is 0.4 MB
# smaller, and an object with more of them gets an ordinary dictionary.
sed -i 's/ SHARED_KEYS_MAX_SIZE 30$/ SHARED_KEYS_MAX_SIZE 20/; s/ NEXT_LOG2_SHARED_KEYS_MAX_SIZE 6$/ NEXT_LOG2_SHARED_KEYS_MAX_SIZE 5/' \
  Include/internal/pycore_dict.h
[ "$(grep -c '^#define .*SHARED_KEYS_MAX_SIZE [25]' Include/internal/pycore_dict.h)" = 2 ]
make Makefile Modules/config.c
# The importer of built-in modules looks for a module in a package by its full name.
sed -i 's/{"_msgspec_core", /{"msgspec._core", /' Modules/config.c
grep -q '"msgspec._core", PyInit__msgspec_core' Modules/config.c

# gcc's profiling code is made for glibc: on aarch64 it calls this function, which musl does not export. The name does not
# end with .o, because the Makefile removes such files between the two builds.
cat > getauxval.c <<'SOURCE'
unsigned long getauxval(unsigned long);
unsigned long __getauxval(unsigned long kind) { return getauxval(kind); }
SOURCE
"$CC" -c -O2 -fPIC getauxval.c -o getauxval.obj

# Only the library goes into the program, so neither the profiled interpreter nor the freezer's is optimised at link time.
SITE=$packages/runtime make -j"$JOBS" PROFILE_TASK="$recipe/training.py" PGO_PROF_GEN_FLAG="-fprofile-generate -fno-lto" \
  CFLAGS_NODIST=-g0 LDFLAGS_NODIST="-fno-lto $PWD/getauxval.obj"
make install DESTDIR="$OUT"
cp Modules/_hacl/libHacl_Hash_SHA2.a Modules/_decimal/libmpdec/libmpdec.a "$OUT/usr/lib/"
