# Sourced by build.sh and .ci/run: finds the .NET SDK and settles the environment that it needs.

fail() {
    printf '%s\n' "$*" >&2
    exit 1
}

# The SDK itself asks for ICU and for a home directory to write to; neither is there on a bare machine, and neither is needed here.
export DOTNET_SYSTEM_GLOBALIZATION_INVARIANT=1 DOTNET_CLI_TELEMETRY_OPTOUT=1 DOTNET_NOLOGO=1 DOTNET_GENERATE_ASPNET_CERTIFICATE=false
if [ -z "${HOME:-}" ] || [ ! -w "$HOME" ]; then
    export HOME="$PWD/artifacts/home"
    mkdir -p "$HOME"
fi

if ! command -v dotnet >/dev/null; then
    for folder in "${DOTNET_ROOT:-}" "$HOME/.dotnet" /usr/share/dotnet /usr/lib/dotnet /opt/dotnet; do
        if [ -n "$folder" ] && [ -x "$folder/dotnet" ]; then
            export PATH="$folder:$PATH" DOTNET_ROOT="$folder"
            break
        fi
    done
fi
command -v dotnet >/dev/null || fail "dotnet is not installed: Curvature needs the .NET SDK 10 (https://dotnet.microsoft.com/download/dotnet/10.0)."

# global.json names the oldest SDK that will do; dotnet refuses to start a build below it.
sdk=$(dotnet --version 2>/dev/null) || fail "Curvature needs the .NET SDK 10.0.100 or a later 10.0; found: $(dotnet --list-sdks 2>/dev/null | cut -d' ' -f1 | paste -sd' ' | sed 's/^$/no SDK/').
Get it from https://dotnet.microsoft.com/download/dotnet/10.0"
