#!/bin/sh
# Builds the program and installs it, with what finds its kernels, into an environment that has its requirements, and
# takes pip away: install.sh SOURCE BUILD_ENVIRONMENT ENVIRONMENT.
set -eu
packages=$("$3/bin/python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
"$2/bin/pip" wheel --no-deps --no-index --no-build-isolation --wheel-dir "$1/dist" "$1"
"$3/bin/pip" install --no-deps --no-index "$1"/dist/*.whl
"$3/bin/pip" uninstall --quiet --yes pip setuptools
rm -f "$3"/bin/activate* "$3"/bin/Activate*
cp "$1/image/shipped_kernels.py" "$packages"
for part in features files history local model service simulator stream upifraud shipped_kernels.py; do
    "$3/bin/python" -m compileall -q --invalidation-mode unchecked-hash "$packages/$part"
done
