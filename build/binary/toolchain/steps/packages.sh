# The Python packages of the binary, and the compiler that freezes them, pinned by hash. Their compiled parts are left out:
# msgspec's C core is built into the interpreter from its source, and PyYAML's is not used.

"$PIP_PYTHON" -m pip download --quiet --no-deps --no-build-isolation --require-hashes --no-binary Nuitka,msgspec \
  --dest . --requirement "$requirements"
mkdir -p "$OUT/runtime" "$OUT/freezer" "$OUT/source"
for sdist in *.tar.gz; do tar -xzf "$sdist" -C "$OUT/source" --no-same-owner; done
mv "$OUT"/source/nuitka-*/nuitka "$OUT/freezer/"
"$PIP_PYTHON" -m pip install --quiet --no-index --no-deps --no-compile --target "$OUT/runtime" ./*.whl
cp -R "$OUT"/source/msgspec-*/src/msgspec "$OUT/runtime/"
cp -R "$OUT"/source/msgspec-*/src/msgspec.egg-info "$OUT/runtime/"
# httpx requires anyio, and msgspec tries typing_extensions; a synchronous client on 3.13 needs neither.
rm -rf "$OUT"/runtime/{anyio,anyio-*,typing_extensions*,bin} "$OUT"/runtime/msgspec/*.[ch]
find "$OUT" -name '*.so' -delete
