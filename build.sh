#!/usr/bin/env bash
# The two commands of the project, from a bare Debian machine with only the .NET SDK on it:
#   ./build.sh demo             set up, build, and write a sharpness report of the embedded digits network
#   ./build.sh test [...]       set up, build, run all tests; the last line is "N passed, N failed". Arguments go to `dotnet test`, which is one process then.
# and their parts:
#   ./build.sh setup [--extras] install what is missing (eng/setup.sh); --extras: also what only developers of this repository use
#   ./build.sh build            set up and build everything
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

curvature=artifacts/standin/bin/Curvature.Cli/release/curvature
results=artifacts/test-results

# A process runs its tests one after the other (Curvature.Tests/AssemblyInfo.cs); two share them. One has the numerical library, and one all else, most of which waits for processes of its own; the readers of checkpoints and the estimators make them alike in time.
library='FullyQualifiedName~Tests.Core&FullyQualifiedName!~Core.Checkpoints&FullyQualifiedName!~Core.Estimators'
rest='FullyQualifiedName!~Tests.Core|FullyQualifiedName~Core.Checkpoints|FullyQualifiedName~Core.Estimators'

build() {
    source eng/dotnet.sh
    eng/setup.sh
    # Locked: what is restored is what was committed, or nothing.
    dotnet restore Curvature.sln --locked-mode --verbosity quiet
    dotnet build Curvature.sln --configuration Release --no-restore --verbosity quiet --nologo -clp:NoSummary
}

demo() {
    build
    "$curvature" demo "$@"   # its last line says where the report is
}

# Counts come from the result files, so that neither language nor layout of the runner's output matters. A run that ended without a failed
# test and still not well (the host crashed, a test hung), or that ran nothing, counts as one failure.
run_tests() {
    eng/setup.sh --tests
    build
    local status=0 passed failed beside
    local tests=(dotnet test Curvature.sln --configuration Release --no-build --nologo --results-directory "$results"
        --logger 'console;verbosity=minimal' --blame-hang-timeout 20m --blame-hang-dump-type none)
    rm -rf "$results"
    if [ $# -gt 0 ]; then
        "${tests[@]}" --logger trx "$@" </dev/null || status=$?
    else
        "${tests[@]}" --logger 'trx;LogFileName=library.trx' --filter "$library" </dev/null &
        beside=$!
        trap 'kill "$beside" 2>/dev/null || true' EXIT
        "${tests[@]}" --logger 'trx;LogFileName=rest.trx' --filter "$rest" </dev/null || status=$?
        wait "$beside" || status=$?
        trap - EXIT
    fi
    skipped
    passed=$(count passed)
    failed=$(($(count failed) + $(count error) + $(count timeout) + $(count aborted)))
    if [ "$failed" -eq 0 ] && { [ "$status" -ne 0 ] || [ "$passed" -eq 0 ]; }; then
        echo "The test run did not end well: exit status $status after $passed passed tests." >&2
        failed=1
    fi
    echo "$passed passed, $failed failed"
    [ "$failed" -eq 0 ]
}

# Sum of one attribute of <Counters ... /> over the result files; 0 where there is none.
count() {
    { grep -ohE '<Counters [^>]*' "$results"/*.trx 2>/dev/null || true; } |
        awk -v name=" $1=\"" '{ at = index($0, name); if (at) sum += substr($0, at + length(name)) } END { print sum + 0 }'
}

# Each test that was skipped, with its reason: the runner prints the name alone.
skipped() {
    cat "$results"/*.trx 2>/dev/null | awk '
        /outcome="NotExecuted"/ && match($0, /testName="[^"]*/) { test = substr($0, RSTART + 10, RLENGTH - 10) }
        test && /<Message>/ { sub(/.*<Message>/, ""); sub(/<\/Message>.*/, ""); print "skipped " test ": " $0; test = "" }' || true
}

case "${1:-help}" in
    setup) eng/setup.sh "${@:2}" ;;
    build) build && printf 'The command is %s\nexport PATH="%s:$PATH"\n' "$PWD/$curvature" "$PWD/$(dirname "$curvature")" ;;
    demo) demo "${@:2}" ;;
    test) run_tests "${@:2}" ;;
    help | -h | --help) sed -n '2,/^set/{/^#/s/^# \{0,1\}//p}' build.sh ;;
    *) echo "build.sh knows setup, build, demo and test, not '$1'." >&2; exit 2 ;;
esac
