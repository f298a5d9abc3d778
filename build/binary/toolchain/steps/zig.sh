# The compiler for macOS, on any machine: clang with Darwin's headers, a linker that signs what it links, and the list of
# what the system's one library has. It carries no framework of Apple's, so the program can use none.

"$PIP_PYTHON" -m pip install --quiet --no-deps --no-compile --require-hashes --target "$OUT/lib" --requirement "$macos_requirements"
mkdir -p "$OUT/bin"
wrapper() { printf '#!/bin/sh\n%s\n' "$2" > "$OUT/bin/$1"; chmod +x "$OUT/bin/$1"; }
# Two names for one architecture: Apple's, as everything here says it, and the compiler's.
for pair in arm64=aarch64 x86_64=x86_64; do
  wrapper "${pair%=*}-clang" "export ZIG_GLOBAL_CACHE_DIR=$OUT/cache ZIG_LOCAL_CACHE_DIR=$OUT/cache
exec $OUT/lib/ziglang/zig cc -target ${pair#*=}-macos.11.0 \"\$@\""
done
# Its linker reads archives in Darwin's own form only.
wrapper ar "exec $OUT/lib/ziglang/zig ar --format=darwin \"\$@\""
wrapper ranlib "exec $OUT/lib/ziglang/zig ranlib \"\$@\""
