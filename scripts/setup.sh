#!/usr/bin/env bash
# Installs what the build, the demo, the tests and the benches need, on Debian 12. Does nothing, and asks the
# network nothing, when everything is there. Starts no service.
set -euo pipefail

# What must be found -> the package it comes from. A `/` makes it a path pattern, else a command.
needed=(
    cc:gcc g++:g++ make:make pkg-config:pkg-config
    redis-server:redis-server redis-cli:redis-tools memcached:memcached nginx:nginx-light
    '/usr/lib/postgresql/*/bin/initdb:postgresql' sqlite3:sqlite3 node:nodejs go:golang-go
    java:default-jre-headless strace:strace git:git curl:curl openssl:openssl python3:python3
    perl:perl gdb:gdb tcpdump:tcpdump xz:xz-utils gzip:gzip bzip2:bzip2 bc:bc ps:procps
    ab:apache2-utils wrk:wrk musl-gcc:musl-tools ip:iproute2 unshare:util-linux taskset:util-linux
    setpriv:util-linux script:bsdutils mount:mount find:findutils grep:grep tar:tar
    file:file cmp:diffutils
    # The build: the etcd client is generated from its protocol files.
    protoc:protobuf-compiler /usr/include/google/protobuf/descriptor.proto:libprotobuf-dev
    # The witness of the tests.
    etcd:etcd-server etcdctl:etcd-client
)

# Daemons live in sbin, which an ordinary user's PATH may lack.
PATH="$PATH:/usr/sbin:/sbin"

missing=()
for entry in "${needed[@]}"; do
    what=${entry%%:*} package=${entry##*:}
    case $what in
    */*) compgen -G "$what" >/dev/null || missing+=("$package") ;;
    *) command -v "$what" >/dev/null || missing+=("$package") ;;
    esac
done

if [ ${#missing[@]} -eq 0 ]; then
    exit 0
fi
echo "setup: missing: ${missing[*]}" >&2

if ! command -v apt-get >/dev/null; then
    echo "setup: no apt-get here; install these yourself and run again" >&2
    exit 1
fi
as_root=()
if [ "$(id -u)" != 0 ]; then
    if ! command -v sudo >/dev/null || ! sudo -n true 2>/dev/null; then
        echo "setup: run once as root (or with a sudo that asks for no password): $0" >&2
        exit 1
    fi
    as_root=(sudo -n)
fi

# Packages start their services at once unless this file says no; put it there for the while.
policy=/usr/sbin/policy-rc.d
added_policy=
remove_policy() {
    if [ -n "$added_policy" ]; then
        "${as_root[@]}" rm -f "$policy"
    fi
}
trap remove_policy EXIT
if [ ! -e "$policy" ]; then
    printf '#!/bin/sh\nexit 101\n' | "${as_root[@]}" tee "$policy" >/dev/null
    "${as_root[@]}" chmod 755 "$policy"
    added_policy=yes
fi

apt=("${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -q -o DPkg::Lock::Timeout=300)
"${apt[@]}" update
"${apt[@]}" install -y --no-install-recommends "${missing[@]}"
