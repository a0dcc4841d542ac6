#!/usr/bin/env bash
# -p:UsePackages=true must ask the feed for TorchSharp and OxyPlot and for nothing else that is not there: a feed without them fails with
# NU1101 alone, which passes; a feed that has them restores, and then everything must compile (the tests' project brings Cli and samples).
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
source eng/dotnet.sh

for project in Curvature.Tests bench; do
    if log=$(dotnet restore "$project" -p:UsePackages=true --verbosity quiet 2>&1); then
        dotnet build "$project" -p:UsePackages=true --no-restore --verbosity quiet --nologo -clp:NoSummary \
            -p:RunAnalyzers=false # these sources have been analysed in the default mode
        echo "$project: restored and compiled against the packages."
        continue
    fi
    if other=$(grep -E ' (error|warning) ' <<<"$log" | grep -v 'NU1101.*\(TorchSharp-cpu\|OxyPlot.Core\)'); then
        fail "$project fails in packages mode for another reason than packages that the feed lacks:"$'\n'"$other"
    fi
    grep -q NU1101 <<<"$log" || fail "$project: restore failed without a reason:"$'\n'"$log"
    echo "$project: asks for $(grep -oE '(TorchSharp-cpu|OxyPlot.Core)' <<<"$log" | sort -u | paste -sd' '), which this feed lacks (NU1101 and nothing else)."
done
