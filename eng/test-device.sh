#!/usr/bin/env bash
# The tests of the library on another device than the CPU.
#   eng/test-device.sh cuda [...]        on a GPU, with a CUDA build of libtorch (LIBTORCH)
#   eng/test-device.sh pretended [...]   on a CUDA device that is not there (Curvature.Tests/Fixtures/device/pretended_cuda.cpp): any machine, libtorch 1.13
# Further arguments go to `dotnet test`, e.g. --filter "FullyQualifiedName~Krylov".
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
source eng/dotnet.sh

# Without what is about processes, files and text, which know the CPU alone. Ranks inherit the device: each has it, or shares it.
battery='FullyQualifiedName~Tests.Core|FullyQualifiedName~Tests.Quant|FullyQualifiedName~Tests.Distributed|FullyQualifiedName~Cli.DeviceRun'
library=artifacts/standin/native/pretended/libcudart_pretended.so

case "${1:-}" in
    cuda) ;;
    pretended)
        cmake -S Curvature.Tests/Fixtures/device -B "$(dirname "$library")" -DCMAKE_BUILD_TYPE=Release >/dev/null
        cmake --build "$(dirname "$library")" >/dev/null
        export CURVATURE_PRETENDED_CUDA="$PWD/$library"
        ;;
    *) fail "usage: eng/test-device.sh cuda|pretended [arguments for dotnet test]" ;;
esac
shift
export CURVATURE_TEST_DEVICE=cuda
[ $# -gt 0 ] || set -- --filter "$battery"
dotnet build Curvature.Tests --verbosity quiet --nologo -clp:NoSummary
dotnet test Curvature.Tests --no-build --nologo "$@"
