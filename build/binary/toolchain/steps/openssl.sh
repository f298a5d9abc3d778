# TLS for https. What a client of TLS 1.2 and 1.3 never uses is left out, and so is the machine's openssl.cnf, which may
# name modules that a static file cannot load. No assembler, which takes 1.6 MB and makes no difference in one handshake.
# The library contains its prefix and the compiler's name, so neither may contain a folder of this machine.

unpack openssl
PATH=$musl/bin:$PATH
CC=musl-gcc ./Configure "linux-$(uname -m)" --prefix=/usr --libdir=lib --openssldir=/etc/ssl \
  no-shared no-dso no-engine no-async no-legacy no-module no-ktls no-quic no-dtls no-psk no-srp no-tls1 no-tls1_1 \
  no-asm no-autoload-config no-apps no-docs no-tests no-comp no-cmp no-cms no-ct no-ts no-gost no-idea no-rc2 no-rc4 no-md4 no-mdc2 \
  no-rmd160 no-seed no-camellia no-aria no-bf no-cast no-sm2 no-sm3 no-sm4 no-whirlpool no-ssl-trace no-srtp \
  no-argon2 no-blake2 no-des no-dsa no-ec2m no-filenames no-http no-multiblock no-nextprotoneg no-ocb no-rfc3779 no-scrypt no-siphash no-siv \
  no-slh-dsa no-tls-deprecated-ec -Os $COMMON_CFLAGS -fPIC -ffunction-sections -fdata-sections
make -j"$JOBS" build_libs
make install_dev DESTDIR="$OUT"
