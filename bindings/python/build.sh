#!/bin/sh
# Builds the native half into the source tree, so that `PYTHONPATH=bindings/python/python python` uses it at once.
# Usage: build.sh [--release]. A running interpreter keeps the old one: the new one is put in its place by a rename.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
folder=debug
[ "${1:-}" != --release ] || folder=release
cargo build --manifest-path "$here/Cargo.toml" "$@"
to="$here/python/inspire_auth/_inspire_auth.abi3.so"
cp "${CARGO_TARGET_DIR:-$here/../../target}/$folder/lib_inspire_auth.so" "$to.new"
mv "$to.new" "$to"
