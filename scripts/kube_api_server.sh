#!/usr/bin/env bash
# A real Kubernetes API server for the tests of the kube-api watcher: RBAC on, no kubelet (a test plays it by patching a pod's status).
#
#   scripts/kube_api_server.sh install       builds kube-apiserver and installs etcd; does nothing where that is done
#   scripts/kube_api_server.sh start DIR     starts both on free loopback ports with their state in DIR and prints shell assignments
#   scripts/kube_api_server.sh restart DIR   ends the API server and starts it again: same port, same certificates, same data
#   scripts/kube_api_server.sh stop DIR      ends both
#
# Use: eval "$(scripts/kube_api_server.sh start "$dir")"; deno test -A tests/watch/watchers/kube/server_test.ts; scripts/kube_api_server.sh stop "$dir"
# The build takes about 4 minutes on 2 cores, once; a start takes about 10 s and 275 MB.
set -euo pipefail

VERSION=1.34.1

cache="${XDG_CACHE_HOME:-$HOME/.cache}/copilot-test-servers"
bin="$cache/bin"
binary="$bin/kube-apiserver-$VERSION"

die() {
  echo "kube_api_server: $*" >&2
  exit 1
}

install_etcd() {
  command -v etcd >/dev/null && return
  local apt=(env DEBIAN_FRONTEND=noninteractive apt-get -qq -o DPkg::Lock::Timeout=300)
  "${apt[@]}" update >&2
  # The distribution starts a server of its own on installation; the tests want none but theirs.
  RUNLEVEL=1 "${apt[@]}" install -y --no-install-recommends etcd-server >&2
}

# The module names its staging parts by local folders; the published ones carry the same version with a leading 0.
build_api_server() {
  local work gomod part
  command -v go >/dev/null || die "kube-apiserver needs Go 1.24 or newer to build: install Go"
  echo "kube_api_server: building kube-apiserver $VERSION" >&2
  work=$(mktemp -d "$cache/kube.XXXXXX")
  (
    cd "$work"
    gomod=$(go mod download -json "k8s.io/kubernetes@v$VERSION" | sed -n 's/.*"GoMod": "\(.*\)",/\1/p')
    go mod init kubeapi >/dev/null 2>&1
    for part in $(awk '/k8s.io\/[a-z0-9-]+ => .\/staging/ {print $1}' "$gomod"); do
      go mod edit -require="$part@v0.${VERSION#*.}" -replace="$part=$part@v0.${VERSION#*.}"
    done
    go mod edit -require="k8s.io/kubernetes@v$VERSION"
    printf '//go:build tools\n\npackage tools\n\nimport _ "k8s.io/kubernetes/cmd/kube-apiserver"\n' >tools.go
    go mod tidy -e >tidy.log 2>&1 || true
    CGO_ENABLED=0 go build -trimpath -ldflags="-s -w" -o "$binary.new" k8s.io/kubernetes/cmd/kube-apiserver >&2
  ) || die "the build failed in $work"
  mv "$binary.new" "$binary"
  rm -rf "$work"
}

install() {
  mkdir -p "$bin"
  install_etcd
  [ -x "$binary" ] || build_api_server
}

free_port() {
  python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'
}

# A CA and a leaf, a key pair for service account tokens, and one administrator.
prepare() {
  [ -e "$dir/token" ] && return
  openssl genrsa -out "$dir/sa.key" 2048 2>/dev/null
  openssl rsa -in "$dir/sa.key" -pubout -out "$dir/sa.pub" 2>/dev/null
  openssl req -x509 -newkey rsa:2048 -nodes -days 30 -subj "/CN=copilot test kube CA" \
    -keyout "$dir/ca.key" -out "$dir/ca.crt" 2>/dev/null
  openssl req -newkey rsa:2048 -nodes -subj "/CN=kube-apiserver" \
    -keyout "$dir/api.key" -out "$dir/api.csr" 2>/dev/null
  openssl x509 -req -in "$dir/api.csr" -CA "$dir/ca.crt" -CAkey "$dir/ca.key" -CAcreateserial -days 30 \
    -extfile <(printf 'subjectAltName=IP:127.0.0.1,DNS:localhost\nbasicConstraints=CA:FALSE\n') \
    -out "$dir/api.crt" 2>/dev/null
  (
    umask 077
    openssl rand -hex 16 >"$dir/token"
    printf '%s,admin,1,"system:masters"\n' "$(cat "$dir/token")" >"$dir/tokens.csv"
  )
  free_port >"$dir/etcd.port"
  free_port >"$dir/peer.port"
  free_port >"$dir/api.port"
}

start_etcd() {
  local client="http://127.0.0.1:$(cat "$dir/etcd.port")" peer="http://127.0.0.1:$(cat "$dir/peer.port")"
  setsid etcd --data-dir "$dir/etcd" --unsafe-no-fsync \
    --listen-client-urls "$client" --advertise-client-urls "$client" \
    --listen-peer-urls "$peer" --initial-advertise-peer-urls "$peer" --initial-cluster "default=$peer" \
    >"$dir/etcd.log" 2>&1 </dev/null &
  echo $! >"$dir/etcd.pid"
}

start_api_server() {
  local port pid
  port=$(cat "$dir/api.port")
  setsid "$binary" --etcd-servers="http://127.0.0.1:$(cat "$dir/etcd.port")" --etcd-compaction-interval=0 \
    --secure-port="$port" --bind-address=127.0.0.1 --advertise-address=127.0.0.1 \
    --tls-cert-file="$dir/api.crt" --tls-private-key-file="$dir/api.key" --client-ca-file="$dir/ca.crt" \
    --service-account-key-file="$dir/sa.pub" --service-account-signing-key-file="$dir/sa.key" \
    --service-account-issuer=https://kubernetes.default.svc --token-auth-file="$dir/tokens.csv" \
    --authorization-mode=RBAC --service-cluster-ip-range=10.0.0.0/24 \
    --disable-admission-plugins=ServiceAccount >>"$dir/api.log" 2>&1 </dev/null &
  pid=$!
  echo "$pid" >"$dir/api.pid"
  for _ in $(seq 600); do
    curl -s -o /dev/null --fail --cacert "$dir/ca.crt" -H "Authorization: Bearer $(cat "$dir/token")" \
      "https://127.0.0.1:$port/api/v1/namespaces/default" && return
    kill -0 "$pid" 2>/dev/null || break
    sleep 0.1
  done
  tail -n 20 "$dir/api.log" >&2
  end api
  end etcd
  die "kube-apiserver did not start on port $port; its output is above"
}

# end NAME: ends what was started under that name.
end() {
  local pid
  [ -e "$dir/$1.pid" ] || return 0
  pid=$(cat "$dir/$1.pid")
  kill "$pid" 2>/dev/null || true
  for _ in $(seq 50); do
    kill -0 "$pid" 2>/dev/null || break
    sleep 0.1
  done
  kill -9 "$pid" 2>/dev/null || true
  rm -f "$dir/$1.pid"
}

command=${1:-}
if [ "$command" != install ]; then
  [ $# -eq 2 ] || die "expected install, start DIR, restart DIR or stop DIR"
  mkdir -p "$2"
  dir=$(cd "$2" && pwd)
fi
case $command in
  install) install ;;
  start)
    install
    prepare
    [ -e "$dir/etcd.pid" ] || start_etcd
    [ -e "$dir/api.pid" ] || start_api_server
    echo "export COPILOT_TEST_KUBE=https://127.0.0.1:$(cat "$dir/api.port")"
    echo "export COPILOT_TEST_KUBE_DIR=$dir"
    ;;
  restart)
    end api
    start_api_server
    ;;
  stop)
    end api
    end etcd
    ;;
  *) die "expected install, start DIR, restart DIR or stop DIR" ;;
esac
