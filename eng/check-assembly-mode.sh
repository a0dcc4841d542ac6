#!/usr/bin/env bash
# Compiles product, tests and samples against local assemblies named TorchSharp and OxyPlot, as users of the real ones do
# (-p:TorchSharpAssembly=... -p:OxyPlotAssembly=...). Here they are the stand-ins built under those names: a product file that leans on a
# stand-in's assembly name, internals or project reference fails. With two arguments: against these two assemblies instead.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
source eng/dotnet.sh

torch=${1:-artifacts/renamed/TorchSharp.dll} oxy=${2:-artifacts/renamed/OxyPlot.dll}
if [ $# -eq 0 ]; then
    rm -rf artifacts/renamed
    # The native library does not depend on the assembly's name: the default mode's is taken where it is built.
    native=()
    [ -n "${LIBTORCH:-}" ] || native=(-p:NativeBuildFolder="$PWD/artifacts/standin/native/system/")
    for name in TorchSharp OxyPlot; do
        dotnet build "compat/$name" --configuration Release --verbosity quiet --nologo -clp:NoSummary \
            -p:AssemblyName="$name" -p:ArtifactsPath="$PWD/artifacts/renamed/build" -p:RestoreLockedMode=false \
            -p:NuGetLockFilePath="$PWD/artifacts/renamed/$name.lock.json" --output artifacts/renamed "${native[@]}"
    done
fi

for project in Curvature.Cli samples bench Curvature.Tests; do
    dotnet build "$project" --configuration Release --verbosity quiet --nologo -clp:NoSummary -p:TorchSharpAssembly="$torch" -p:OxyPlotAssembly="$oxy" \
        -p:RunAnalyzers=false # these sources have been analysed in the default mode
    echo "$project: compiled."
done
