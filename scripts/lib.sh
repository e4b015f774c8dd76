# SPDX-License-Identifier: BSD-3-Clause
# lib.sh - what scripts/run, scripts/test and .ci/run share: packages, build directories, stages that
# are timed and counted. Sourced by bash, with the repository's root as the current directory.
# shellcheck shell=bash

build_packages="gcc libc6-dev make autoconf automake pkg-config libev-dev libjemalloc-dev libssl-dev
    libxxhash-dev"
test_packages="libcmocka-dev memcached redis-server redis-tools libmemcached-tools python3
    python3-pymemcache python3-pylibmc python3-redis"
ci_packages="valgrind clang libclang-rt-14-dev llvm clang-format cppcheck"

# --- packages -----------------------------------------------------------------------------------

missing_packages() { # PACKAGE...
    local package
    for package; do
        dpkg-query -W -f '${db:Status-Status}\n' "$package" 2>/dev/null | grep -qx installed ||
            printf '%s ' "$package"
    done
}

# Run apt-get so that no daemon is started by what it installs, and none at the next boot either: a
# test starts the servers it needs itself, on ports of its own. Services that are there already keep
# running. $1: "" or "sudo -n"; the rest: packages.
apt_install() {
    local sudo=$1 policy=/usr/sbin/policy-rc.d made=no rc=0 unit
    shift
    if [ ! -e $policy ]; then
        made=yes
        # shellcheck disable=SC2064
        trap "$sudo rm -f $policy" EXIT
        printf '#!/bin/sh\nexit 101\n' | $sudo tee $policy >/dev/null && $sudo chmod 755 $policy
    fi
    $sudo apt-get update -q &&
        $sudo env DEBIAN_FRONTEND=noninteractive \
            apt-get install -q -y --no-install-recommends "$@" || rc=$?
    if [ $made = yes ]; then
        $sudo rm -f $policy
        trap - EXIT
    fi
    if command -v systemctl >/dev/null; then
        for unit in memcached redis-server; do
            case " $* " in *" $unit "*) $sudo systemctl --quiet disable $unit || rc=$? ;; esac
        done
    fi
    return $rc
}

# Install what is missing of the packages named; without the right to do so print how and stop.
need_packages() {
    local missing
    if ! command -v dpkg-query >/dev/null; then
        echo "This is no Debian; ./configure will tell what is missing." >&2
        return
    fi
    missing=$(missing_packages "$@")
    if [ -z "$missing" ]; then return; fi
    echo "Installing: $missing"
    # shellcheck disable=SC2086
    if [ "$(id -u)" = 0 ]; then
        apt_install "" $missing
    elif sudo -n true 2>/dev/null; then
        apt_install "sudo -n" $missing
    else
        echo "That needs root. Run this once, then try again:" >&2
        echo "sudo sh -c 'apt-get update && apt-get install -y --no-install-recommends ${missing% }'" >&2
        exit 1
    fi || {
        echo "apt-get failed; see above." >&2
        exit 1
    }
}

# --- building -----------------------------------------------------------------------------------

# Bring the build in directory $1 up to date; the rest are arguments of configure, used when the
# directory is new.
build() {
    local dir=$1
    shift
    if [ ! -x configure ]; then autoreconf -i || return; fi
    if [ ! -f "$dir/Makefile" ]; then
        mkdir -p "$dir" && (cd "$dir" && ../configure -q "$@") || return
    fi
    make -C "$dir" -s -j"$(nproc)" all
}

# --- stages -------------------------------------------------------------------------------------

total_passed=0
total_failed=0

# stage NAME COMMAND...: run it, say how long it took. A last line "N passed, N failed" of its output
# is added to the totals; a command without one counts as one.
stage() {
    local name=$1 out began=$SECONDS rc passed=0 failed=0
    shift
    out=$(mktemp)
    echo "=== $name"
    "$@" 2>&1 | tee "$out"
    rc=${PIPESTATUS[0]}
    if [[ $(tail -n 1 "$out") =~ ^([0-9]+)\ passed,\ ([0-9]+)\ failed ]]; then
        passed=${BASH_REMATCH[1]} failed=${BASH_REMATCH[2]}
        if [ "$rc" != 0 ] && [ "$failed" = 0 ]; then failed=1; fi
    elif [ "$rc" = 0 ]; then
        passed=1
    else
        failed=1
    fi
    rm -f "$out"
    total_passed=$((total_passed + passed))
    total_failed=$((total_failed + failed))
    echo "=== $name: $passed passed, $failed failed, $((SECONDS - began)) s"
}

# The last line of a run, and its status.
finish() {
    echo "$total_passed passed, $total_failed failed"
    [ $total_failed = 0 ]
}

# `make check` in build directory $1, counted case by case: a cmocka program says RUN and OK for each
# of its cases, any other test counts as one.
make_check() {
    local dir=$1 passed=0 failed=0 trs log run ok skipped rc=0
    find "$dir" -name '*.trs' -delete
    make -C "$dir" -s -j"$(nproc)" check >"$dir/check.out" 2>&1 || rc=$?
    while read -r trs; do
        log=${trs%.trs}.log
        run=$(grep -c '^\[ RUN      \]' "$log")
        ok=$(grep -c '^\[       OK \]' "$log")
        skipped=$(grep -c '^\[  SKIPPED \] [^0-9]*$' "$log")
        if grep -q '^:test-result: PASS' "$trs"; then
            if [ "$run" = 0 ]; then ok=1 run=1; fi
        else
            if [ "$run" = 0 ] || [ $((run - ok - skipped)) -le 0 ]; then run=$((ok + skipped + 1)); fi
            echo "--- ${log#"$dir"/}"
            tail -n 60 "$log"
        fi
        passed=$((passed + ok))
        failed=$((failed + run - ok - skipped))
    done < <(find "$dir" -name '*.trs' | sort)
    if [ $rc != 0 ] && [ $failed = 0 ]; then
        tail -n 40 "$dir/check.out"
        failed=1
    fi
    echo "$passed passed, $failed failed"
    [ $failed = 0 ]
}
