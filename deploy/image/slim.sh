#!/bin/sh
# Takes from a virtual environment what a program that runs does not need: slim.sh DIRECTORY. Then compiles the rest.
set -eu
environment=$1
packages=$("$environment/bin/python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')

"$environment/bin/python" -m pip uninstall --quiet --yes pip setuptools
# Tests of libraries, and what is only there to compile against them.
find "$packages" -type d \( -name tests -o -name test \) -prune -exec rm -rf {} +
rm -rf "$packages/pyarrow/include" "$packages/pyarrow/src" "$packages/numpy/_core/include"
find "$packages" \( -name '*.pyx' -o -name '*.pxd' -o -name '*.pyi' -o -name '*.a' \) -delete
# Not by the time of the source, which a layer may round: then nothing would match, and nothing could be written.
"$environment/bin/python" -m compileall -q -j 0 --invalidation-mode unchecked-hash "$packages" || true
