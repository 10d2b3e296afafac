#!/bin/sh
# Takes from the libraries of a virtual environment what a program that runs does not need, and compiles the rest to
# bytecode: slim.sh ENVIRONMENT.
set -eu
packages=$("$1/bin/python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')

# Tests of libraries, and what is only there to compile against them.
find "$packages" -type d \( -name tests -o -name test \) -prune -exec rm -rf {} +
rm -rf "$packages/pyarrow/include" "$packages/pyarrow/src" "$packages/numpy/_core/include"
find "$packages" \( -name '*.pyx' -o -name '*.pxd' -o -name '*.pyi' -o -name '*.a' \) -delete
# By no time of the source, which a layer may round: then nothing would match, and nothing could be written. Some
# libraries ship files for other versions of Python, which do not compile: they are not imported either.
"$1/bin/python" -m compileall -qq -j 0 --invalidation-mode unchecked-hash "$packages" || true
