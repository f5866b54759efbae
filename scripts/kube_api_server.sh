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

here=$(cd "$(dirname "$0")" && pwd)
. "$here/lib.sh"

die() {
  echo "kube_api_server: $*" >&2
  exit 1
}

install() {
  apt_install etcd-server
  binary=$("$here/kube_build.sh" kube-apiserver)
}

free_port() {
  python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'
}

# Keys, and ports that stay the same over a restart.
prepare() {
  [ ! -e "$dir/api.port" ] || return 0
  make_keys "$dir" IP:127.0.0.1,DNS:localhost
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
    install
    end api
    start_api_server
    ;;
  stop)
    end api
    end etcd
    ;;
  *) die "expected install, start DIR, restart DIR or stop DIR" ;;
esac
