#!/usr/bin/env bash
# Installs what the build needs beside the .NET SDK; silent and without network where everything is there.
# --tests adds Open MPI, for the tests of several processes.
# --extras adds what only developers use: PyTorch to compare with, Fashion-MNIST and the Jargon File, an SVG renderer, a browser for screenshots.
set -euo pipefail

installed() { [ "$(dpkg-query --show --showformat='${db:Status-Status}' "$1" 2>/dev/null)" = installed ]; }

missing=()
need() { missing+=("$@"); }

command -v g++ >/dev/null || need g++
command -v cmake >/dev/null || need cmake
command -v make >/dev/null || need make
compgen -G '/etc/ssl/certs/*' >/dev/null || need ca-certificates   # NuGet's feed is https; this brings OpenSSL too, which .NET asks

if [ -z "${LIBTORCH:-}" ]; then
    installed libtorch-dev || need libtorch-dev
    # Debian's libtorch computes with whatever libblas.so.3 is; the reference BLAS, its default, is 25 to 50 times slower than OpenBLAS.
    blas=$(readlink -f "/usr/lib/$(uname -m)-linux-gnu/libblas.so.3" || true)
    [[ $blas =~ openblas|mkl|blis ]] || need libopenblas0-openmp
fi

# Ranks of MPI are what some tests are about; they skip where it is absent and nobody is there to install it.
if [ "${1:-}" = --tests ] && [ "$(id -u)" -eq 0 ] && ! command -v mpirun >/dev/null; then
    installed openmpi-bin || need openmpi-bin libopenmpi3
fi

if [ "${1:-}" = --extras ]; then
    for package in python3-torch python3-numpy dataset-fashion-mnist jargon-text librsvg2-bin chromium; do
        installed "$package" || need "$package"
    done
fi

[ ${#missing[@]} -gt 0 ] || exit 0

install="apt-get install --yes --no-install-recommends ${missing[*]}"
if ! command -v apt-get >/dev/null; then
    echo "Missing: ${missing[*]} (names of Debian packages). Install their like, or set LIBTORCH to an unpacked libtorch, and run again." >&2
    exit 1
fi
if [ "$(id -u)" -ne 0 ]; then
    printf 'Missing: %s\nRun this once, then try again:\n\n  sudo sh -c "apt-get update && %s"\n\n' "${missing[*]}" "$install" >&2
    exit 1
fi

echo "Installing ${missing[*]} ..." >&2
export DEBIAN_FRONTEND=noninteractive
{ apt-get update -qq && $install -qq -o Dpkg::Use-Pty=0 -o DPkg::Lock::Timeout=300; } </dev/null >&2 || {
    printf 'Could not install the missing packages. What failed is above; the command was:\n\n  apt-get update && %s\n\n' "$install" >&2
    exit 1
}
