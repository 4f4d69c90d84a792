# need.sh - sourced by ./start and ./check: bring the Debian packages that are missing.
#
#   need PACKAGE...   install those of the packages that are not installed; ends the script with a clear
#                     message where that is not possible.

need() {
    missing=""
    for package in "$@"; do
        dpkg-query -W -f='${Status}' "$package" 2>/dev/null | grep -q 'install ok installed' ||
            missing="$missing $package"
    done
    [ -n "$missing" ] || return 0
    if ! command -v apt-get >/dev/null 2>&1; then
        echo "These packages are needed, and there is no apt-get to install them:$missing" >&2
        exit 1
    fi
    as_root=""
    if [ "$(id -u)" -ne 0 ]; then
        if ! command -v sudo >/dev/null 2>&1; then
            echo "These packages are needed; install them as root:" >&2
            echo "    apt-get install$missing" >&2
            exit 1
        fi
        as_root="sudo"
    fi
    echo "Installing:$missing" >&2
    # Services that a package brings must not start here: a test server is started by whoever needs it.
    policy=/usr/sbin/policy-rc.d
    guard=""
    if [ ! -e "$policy" ]; then
        guard=$policy
        printf '#!/bin/sh\nexit 101\n' | $as_root tee "$policy" >/dev/null && $as_root chmod +x "$policy"
    fi
    install() {
        $as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends $missing >&2
    }
    install || { $as_root apt-get update -q >&2 && install; }
    status=$?
    [ -z "$guard" ] || $as_root rm -f "$guard"
    if [ $status -ne 0 ]; then
        echo "Could not install:$missing" >&2
        exit 1
    fi
}

BUILD_PACKAGES="gcc make libc6-dev libuv1-dev libjemalloc-dev libxxhash-dev liblzf-dev liblua5.4-dev"
