#!/usr/bin/env bash
# Builds Kubernetes programs from their published Go modules, each once, and prints the path of each.
#
#   scripts/kube_build.sh NAME...     NAME: kube-apiserver, kubelet or kubectl; several share one module graph and most of the compilation
#
# All together take about 6 minutes on 2 cores the first time and 240 MB in the cache.
set -euo pipefail

VERSION=1.34.1

bin="${XDG_CACHE_HOME:-$HOME/.cache}/copilot-test-servers/bin"
mkdir -p "$bin"

die() {
  echo "kube_build: $*" >&2
  exit 1
}

# A module that requires Kubernetes as a library. Kubernetes names its staging parts by local folders; the published ones carry the
# same version with a leading 0.
make_module() {
  local gomod part name
  gomod=$(go mod download -json "k8s.io/kubernetes@v$VERSION" | sed -n 's/.*"GoMod": "\(.*\)",/\1/p')
  [ -s "$gomod" ] || die "the Go module proxy has no k8s.io/kubernetes v$VERSION"
  go mod init kubebuild >/dev/null 2>&1
  for part in $(awk '/k8s.io\/[a-z0-9-]+ => .\/staging/ {print $1}' "$gomod"); do
    go mod edit -require="$part@v0.${VERSION#*.}" -replace="$part=$part@v0.${VERSION#*.}"
  done
  go mod edit -require="k8s.io/kubernetes@v$VERSION"
  {
    printf '//go:build tools\n\npackage tools\n\n'
    for name in "$@"; do printf 'import _ "k8s.io/kubernetes/cmd/%s"\n' "$name"; done
  } >tools.go
  # Test-only imports of some dependencies cannot be resolved, which tidy reports and the build never needs.
  go mod tidy -e >tidy.log 2>&1 || true
}

build() {
  local work name minor=${VERSION#*.} flags
  command -v go >/dev/null || die "no Go: $* can only be built with Go 1.24 or newer"
  # Without its version a kubelet refuses part of its work.
  flags="-s -w -X k8s.io/component-base/version.gitVersion=v$VERSION -X k8s.io/client-go/pkg/version.gitVersion=v$VERSION"
  flags+=" -X k8s.io/component-base/version.gitMajor=${VERSION%%.*} -X k8s.io/component-base/version.gitMinor=${minor%.*}"
  work=$(mktemp -d "$bin/../kube.XXXXXX")
  (
    cd "$work"
    make_module "$@"
    for name in "$@"; do
      echo "kube_build: building $name $VERSION" >&2
      CGO_ENABLED=0 nice -n 10 go build -ldflags="$flags" -o built "k8s.io/kubernetes/cmd/$name" >&2
      mv built "$bin/$name-$VERSION"
    done
  ) || die "cannot build $*; what is left of it is in $work"
  rm -rf "$work"
}

[ $# -gt 0 ] || die "expected names of programs: kube-apiserver, kubelet, kubectl"
missing=()
for name in "$@"; do
  case $name in
    kube-apiserver | kubelet | kubectl) [ -x "$bin/$name-$VERSION" ] || missing+=("$name") ;;
    *) die "unknown program $name: expected kube-apiserver, kubelet or kubectl" ;;
  esac
done
[ ${#missing[@]} -eq 0 ] || build "${missing[@]}"
for name in "$@"; do echo "$bin/$name-$VERSION"; done
