# As freezer.sh, with the interpreter's library for macOS: the freezer runs here and links for there.

library=$macos_library musl=$macos_library
. "$here/toolchain/steps/freezer.sh"
cp "$macos_library/pyconfig.h" "$OUT/usr/include/$python/"
