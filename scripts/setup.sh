# Sourced by the other scripts: installs what a fresh Debian 12 lacks, and says so. Idempotent.
# shellcheck shell=bash
cd "$(dirname "${BASH_SOURCE[0]}")/.." || exit 1
NFTMESH_ROOT=$PWD
export NFTMESH_ROOT

# NFTMESH_APT_ALSO: what the sourcing script alone needs.
NFTMESH_APT="gcc g++ clang-14 libclang-rt-14-dev clang-format-14 cmake ninja-build pkg-config git
 libuv1-dev libnng-dev libsecp256k1-dev libmsgpack-dev libcurl4-openssl-dev libjansson-dev
 libsodium-dev libmicrohttpd-dev libconfuse-dev libsqlite3-dev libcmocka-dev libmbedtls-dev libssl-dev
 openssl ca-certificates python3 iproute2 iptables util-linux ${NFTMESH_APT_ALSO:-}"

say() { printf '== %s\n' "$*" >&2; }

as_root() {
    if [ "$(id -u)" = 0 ]; then "$@"; elif command -v sudo >/dev/null; then sudo "$@"
    else say "need root or sudo for: $*"; exit 1; fi
}

setup_apt() {
    local missing="" p
    for p in $NFTMESH_APT; do
        dpkg-query -W -f='${Status}' "$p" 2>/dev/null | grep -q 'ok installed' || missing="$missing $p"
    done
    command -v node >/dev/null || missing="$missing nodejs"
    command -v npm >/dev/null || missing="$missing npm"
    [ -n "$missing" ] || return 0
    say "installing Debian packages:$missing"
    as_root apt-get update -qq
    # shellcheck disable=SC2086
    as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing >/dev/null
}

# setup_npm DIR: exactly what the lock file says, once per lock file.
setup_npm() {
    local dir=$1 stamp=$1/node_modules/.nftmesh-lock
    cmp -s "$dir/package-lock.json" "$stamp" && return 0
    say "installing npm packages of $dir"
    (cd "$dir" && npm ci --no-audit --no-fund --loglevel=error >/dev/null)
    cp "$dir/package-lock.json" "$stamp"
}

# build PRESET: configure once, build what changed.
build() {
    say "building preset $1"
    cmake --preset "$1" >/dev/null && cmake --build --preset "$1" -- -k 1 >"/tmp/nftmesh-build-$1.$$" 2>&1 ||
        { grep -v '^\[[0-9]*/[0-9]*\]' "/tmp/nftmesh-build-$1.$$" >&2; rm -f "/tmp/nftmesh-build-$1.$$"; exit 1; }
    rm -f "/tmp/nftmesh-build-$1.$$"
}

# The contract alone, without its tests.
build_contract() {
    local forge=contracts/node_modules/@foundry-rs/forge-linux-amd64/bin/forge
    setup_npm contracts
    say "compiling the contract"
    "$forge" build --root contracts --skip test script >/dev/null || { say "forge build failed"; exit 1; }
}

setup_apt
