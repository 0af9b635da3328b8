#!/usr/bin/env bash
# Checks everything: format, build without a warning, all tests.
#   ./test.sh          everything
#   ./test.sh --fast   without the tests marked [Trait("kind", "slow")] (browser and end-to-end), and with the format
#                      checked for white space only: the build enforces style and analyzers anyway
# The last line is "N passed, N failed, N skipped"; the exit code is 0 only if something ran and nothing failed.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

filter=() format=()
case "${1:-}" in
    "") ;;
    --fast) filter=(--filter-not-trait "kind=slow") format=(whitespace) ;;
    *)
        echo "usage: ./test.sh [--fast]" >&2
        exit 2
        ;;
esac

# No build server may outlive this script.
export MSBUILDDISABLENODEREUSE=1 DOTNET_CLI_USE_MSBUILD_SERVER=0 DOTNET_CLI_TELEMETRY_OPTOUT=1 DOTNET_NOLOGO=1
project=tests/Monosemantic.Tests

step() { printf '\n== %s\n' "$*"; }

install_chromium() {
    local as_root=()
    if [[ $(id -u) -ne 0 ]]; then
        command -v sudo >/dev/null && sudo -n true 2>/dev/null || return 1
        as_root=(sudo -n)
    fi
    command -v apt-get >/dev/null || return 1
    "${as_root[@]}" apt-get -q -o DPkg::Lock::Timeout=600 update &&
        "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -q -o DPkg::Lock::Timeout=600 install -y chromium
}

if [[ ${#filter[@]} -eq 0 && ! -x /usr/bin/chromium ]] && ! command -v chromium >/dev/null; then
    step "Install Chromium for the browser tests"
    install_chromium || echo "Chromium is missing and cannot be installed here: the browser tests will be skipped."
fi

step "Restore the locked packages"
dotnet restore --locked-mode -v q

step "Check the format"
dotnet format "${format[@]}" --verify-no-changes --no-restore

step "Build"
dotnet build -c Release --no-restore -v q -nodeReuse:false -warnaserror

step "Test"
log=$(mktemp)
trap 'rm -f "$log"' EXIT
status=0
dotnet test --project "$project" -c Release --no-build --no-ansi "${filter[@]}" 2>&1 | tee "$log" || status=$?

# The runner's summary: "  total: 12", "  failed: 0", "  succeeded: 12", "  skipped: 0".
count() { sed -nE "s/^ *$1: ([0-9]+)$/\1/p" "$log" | tail -n 1; }
passed=$(count succeeded) failed=$(count failed) skipped=$(count skipped)
printf '\n%d passed, %d failed, %d skipped\n' "${passed:-0}" "${failed:-0}" "${skipped:-0}"

if [[ ${failed:-0} -gt 0 || ${passed:-0} -eq 0 ]]; then exit 1; fi
exit "$status"
