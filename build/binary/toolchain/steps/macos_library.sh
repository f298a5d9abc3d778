# The interpreter and the libraries that it refers to as one archive, as in library.sh, for macOS. It cannot run here, so the
# build uses the interpreter of this machine where it needs one, there is no profile, and what configure would learn from
# running programs is given below.

unpack "$python"
recipe=$here/toolchain/cpython

# CPython supports building for iOS on another system, but not for macOS. Darwin 20 is macOS 11. CoreFoundation is not used.
cp configure upstream
sed -i -e 's/^\t\*-apple-ios\*)$/\t*-apple-darwin*)\n\t\tac_sys_system=Darwin\n\t\t_host_ident=$host_cpu\n\t\t;;\n&/' \
  -e 's/^\tac_sys_release=$/\tac_sys_release=20.1.0/' -e 's/^\tLIBS="$LIBS -framework CoreFoundation"$/\t:/' configure
[ "$(diff upstream configure | grep -c '^>')" = 10 ]

answers=(
  ac_cv_pthread_is_default=yes ac_cv_pthread_system_supported=yes ac_cv_have_chflags=yes ac_cv_have_lchflags=yes
  ac_cv_buggy_getaddrinfo=no ac_cv_posix_semaphores_enabled=yes ac_cv_broken_sem_getvalue=yes ac_cv_working_tzset=yes
  ac_cv_computed_gotos=yes ac_cv_aligned_required=no
  # Newer than macOS 11.
  ac_cv_func_dup3=no ac_cv_func_pipe2=no ac_cv_func_accept4=no
  # Terminals, for which the compiler has no headers.
  ac_cv_func_openpty=no ac_cv_search_login_tty=no ac_cv_func_forkpty=no ac_cv_file__dev_ptmx=no ac_cv_file__dev_ptc=no
)
# The use of a function that macOS 11 lacks is an error unless it is guarded at run time.
export CC=$machine-clang AR=ar RANLIB=ranlib MACOSX_DEPLOYMENT_TARGET=11.0
./configure --prefix=/usr --host="${machine/arm64/aarch64}-apple-darwin" --build="$(uname -m)-pc-linux-musl" \
  --with-build-python="$cpython/usr/bin/$python" --disable-shared --disable-test-modules --without-ensurepip \
  --without-doc-strings --with-openssl="$macos_openssl/usr" --with-pkg-config=no --without-readline --enable-ipv6 \
  OPT="-DNDEBUG -O2 -fwrapv" CFLAGS="-g0 -Wno-date-time -Werror=unguarded-availability -Werror=unguarded-availability-new" \
  CPPFLAGS="-I$macos_zlib/include" LDFLAGS="-L$macos_zlib/lib" "${answers[@]}"

sed "s|@OPENSSL@|$macos_openssl/usr|g; s|@ZLIB@|$macos_zlib|g" "$recipe/Setup.local" > Modules/Setup.local
cp "$packages"/source/msgspec-*/src/msgspec/*.[ch] Modules/
cp "$recipe/_msgspec_core.c" Modules/
# The freezer compiles with the headers of cpython.sh, which changes this one.
cp "$cpython/usr/include/$python/internal/pycore_dict.h" Include/internal/
make Makefile Modules/config.c
# As in cpython.sh.
sed -i 's/{"_msgspec_core", /{"msgspec._core", /' Modules/config.c
grep -q '"msgspec._core", PyInit__msgspec_core' Modules/config.c
make -j"$JOBS" lib$python.a Modules/_hacl/libHacl_Hash_SHA2.a Modules/_decimal/libmpdec/libmpdec.a

ar -M <<SCRIPT
create $OUT/lib$python.a
addlib lib$python.a
addlib Modules/_hacl/libHacl_Hash_SHA2.a
addlib Modules/_decimal/libmpdec/libmpdec.a
addlib $macos_openssl/usr/lib/libssl.a
addlib $macos_openssl/usr/lib/libcrypto.a
addlib $macos_zlib/lib/libz.a
save
end
SCRIPT
cp pyconfig.h "$OUT"
mkdir "$OUT/bin"
ln -s "$zig/bin/$machine-clang" "$OUT/bin/clang"
