#!/bin/sh
# Build the image: with Docker where its engine answers, else with podman, as root, on a base bootstrapped from Debian's
# packages where no registry can be reached. `make image` runs it; arguments go to the build.
set -eu
cd "$(dirname "$0")/.."
NAME=${NAME:-recsys-app}

if command -v docker >/dev/null && docker info >/dev/null 2>&1; then
    exec docker build -t "$NAME" "$@" .
fi
for tool in podman mmdebstrap runc; do
    command -v "$tool" >/dev/null || { echo "No Docker engine answers, and $tool is missing: apt-get install podman mmdebstrap runc" >&2; exit 1; }
done

# vfs: the overlay file system is often not to be had inside a container; chroot: neither are new namespaces.
build() { podman --storage-driver vfs build --format docker --network host --isolation chroot -v /etc/ssl/certs:/etc/ssl/certs:ro "$@"; }

BASE=docker.io/library/python:3.11-slim
if ! podman --storage-driver vfs image exists "$BASE" && ! podman --storage-driver vfs pull -q "$BASE" 2>/dev/null; then
    echo "The official base cannot be pulled: a stand-in is made of Debian bookworm, whose Python is 3.11."
    work=$(mktemp -d)
    trap 'rm -rf "$work"' EXIT
    mmdebstrap --variant=minbase --include=ca-certificates,python3-minimal,python3-venv,python3-pip bookworm "$work/base.tar"
    podman --storage-driver vfs import "$work/base.tar" localhost/base/bookworm:local
    printf '%s\n' 'FROM localhost/base/bookworm:local' \
        'RUN rm -f /usr/lib/python3.11/EXTERNALLY-MANAGED && ln -s /usr/bin/python3 /usr/local/bin/python' \
        >"$work/Dockerfile"
    build --pull-never -f "$work/Dockerfile" -t "$BASE" "$work"
fi
build --pull-never -f Dockerfile -t "$NAME" "$@" .
echo "Run it: podman --storage-driver vfs --runtime runc run --no-healthcheck --network host --pull=never $NAME"
