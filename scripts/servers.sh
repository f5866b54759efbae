#!/usr/bin/env bash
# Real storage servers for the tests, on free loopback ports.
#
#   scripts/servers.sh install [NAME...]     builds or fetches them into the cache; does nothing where that is done
#   scripts/servers.sh start DIR [NAME...]   starts them with their state in DIR and prints shell assignments
#   scripts/servers.sh stop DIR              ends what was started with DIR
#
# NAME: s3 (versitygw), s3-tls (the same behind TLS with a CA of its own), minio, gcs, azure, redis. Default: all of these.
# minio-tls is started only where it is named: no test needs it, and measurements do.
# Use: eval "$(scripts/servers.sh start "$dir")"; deno task test; scripts/servers.sh stop "$dir"
# They listen on loopback, or on the address in COPILOT_TEST_SERVERS_HOST (scripts/kube_node.sh: where pods reach them).
# Keys: S3 testkey / testsecret; Azure account testaccount with the key in COPILOT_TEST_AZURE_KEY.
set -euo pipefail
. "$(dirname "$0")/lib.sh"

VERSITYGW=github.com/versity/versitygw/cmd/versitygw@v1.8.0
MINIO=github.com/minio/minio@v0.0.0-20260212201848-7aac2a2c5b7c
FAKE_GCS=github.com/fsouza/fake-gcs-server@v1.56.1
AZURITE=azurite@3.37.0
ALL=(s3 s3-tls minio gcs azure redis)

cache="${XDG_CACHE_HOME:-$HOME/.cache}/copilot-test-servers"
bin="$cache/bin"
host="${COPILOT_TEST_SERVERS_HOST:-127.0.0.1}"

die() {
  echo "servers: $*" >&2
  exit 1
}

# go_install MODULE: builds it once per pinned version.
go_install() {
  local module=$1 name stamp
  name=$(basename "${module%@*}")
  stamp="$bin/.$name-${module##*@}"
  [ -x "$bin/$name" ] && [ -e "$stamp" ] && return
  command -v go >/dev/null || die "$name needs Go 1.26 or newer to build: install Go, or name other servers"
  echo "servers: building $module" >&2
  GOBIN="$bin" GOFLAGS=-trimpath CGO_ENABLED=0 go install "$module" >&2
  touch "$stamp"
}

install_azurite() {
  [ -e "$cache/azurite/.${AZURITE##*@}" ] && return
  echo "servers: installing $AZURITE" >&2
  mkdir -p "$cache/azurite"
  npm install --silent --no-fund --no-audit --prefix "$cache/azurite" "$AZURITE" >&2
  touch "$cache/azurite/.${AZURITE##*@}"
}

install() {
  mkdir -p "$bin"
  local name
  for name in "$@"; do
    case $name in
      s3 | s3-tls) go_install "$VERSITYGW" ;;
      minio | minio-tls) go_install "$MINIO" ;;
      gcs) go_install "$FAKE_GCS" ;;
      azure) install_azurite ;;
      redis) apt_install redis-server ;;
      *) die "no server '$name': expected one of ${ALL[*]} minio-tls" ;;
    esac
  done
}

free_port() {
  python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'
}

# launch NAME PORT COMMAND...: runs it in the background and waits until it listens.
launch() {
  local name=$1 port=$2 pid
  shift 2
  setsid "$@" >"$dir/$name.log" 2>&1 </dev/null &
  pid=$!
  echo "$pid" >"$dir/$name.pid"
  pids+=("$pid")
  for _ in $(seq 300); do
    (exec 3<>"/dev/tcp/$host/$port") 2>/dev/null && return
    kill -0 "$pid" 2>/dev/null || break
    sleep 0.1
  done
  tail -n 20 "$dir/$name.log" >&2
  stop "$dir"
  die "$name did not start on port $port; its output is above"
}

# A CA and a leaf: rustls refuses a certificate that is its own CA.
make_certificates() {
  [ -e "$dir/tls/leaf.crt" ] && return
  mkdir -p "$dir/tls"
  openssl req -x509 -newkey rsa:2048 -nodes -days 30 -subj "/CN=copilot test CA" \
    -addext "basicConstraints=critical,CA:TRUE" -addext "keyUsage=critical,keyCertSign" \
    -keyout "$dir/tls/ca.key" -out "$dir/tls/ca.crt" 2>/dev/null
  openssl req -newkey rsa:2048 -nodes -subj "/CN=localhost" \
    -keyout "$dir/tls/leaf.key" -out "$dir/tls/leaf.csr" 2>/dev/null
  openssl x509 -req -in "$dir/tls/leaf.csr" -CA "$dir/tls/ca.crt" -CAkey "$dir/tls/ca.key" -CAcreateserial -days 30 \
    -extfile <(printf 'subjectAltName=DNS:localhost,IP:127.0.0.1\nbasicConstraints=CA:FALSE\n') \
    -out "$dir/tls/leaf.crt" 2>/dev/null
}

start_one() {
  local name=$1 port
  port=$(free_port)
  mkdir -p "$dir/$name"
  case $name in
    s3)
      launch "$name" "$port" "$bin/versitygw" --access testkey --secret testsecret --port "$host:$port" \
        --keep-alive --quiet posix "$dir/$name"
      echo "export COPILOT_TEST_S3=http://$host:$port"
      ;;
    s3-tls)
      make_certificates
      launch "$name" "$port" "$bin/versitygw" --access testkey --secret testsecret --port "$host:$port" \
        --keep-alive --quiet --cert "$dir/tls/leaf.crt" --key "$dir/tls/leaf.key" posix "$dir/$name"
      echo "export COPILOT_TEST_S3_TLS=https://localhost:$port"
      echo "export COPILOT_TEST_CA=$dir/tls/ca.crt"
      ;;
    minio)
      launch "$name" "$port" env MINIO_ROOT_USER=testkey MINIO_ROOT_PASSWORD=testsecret MINIO_BROWSER=off \
        "$bin/minio" server --quiet --address "$host:$port" "$dir/$name"
      echo "export COPILOT_TEST_MINIO=http://$host:$port"
      ;;
    minio-tls)
      make_certificates
      # The names that MinIO looks for.
      mkdir -p "$dir/tls/minio"
      cp "$dir/tls/leaf.crt" "$dir/tls/minio/public.crt"
      cp "$dir/tls/leaf.key" "$dir/tls/minio/private.key"
      launch "$name" "$port" env MINIO_ROOT_USER=testkey MINIO_ROOT_PASSWORD=testsecret MINIO_BROWSER=off \
        "$bin/minio" server --quiet --address "$host:$port" --certs-dir "$dir/tls/minio" "$dir/$name"
      echo "export COPILOT_TEST_MINIO_TLS=https://localhost:$port"
      echo "export COPILOT_TEST_CA=$dir/tls/ca.crt"
      ;;
    gcs)
      launch "$name" "$port" "$bin/fake-gcs-server" -scheme http -host $host -port "$port" -backend memory \
        -external-url "http://$host:$port" -public-host "$host:$port" -log-level error
      echo "export COPILOT_TEST_GCS=http://$host:$port"
      ;;
    azure)
      local key
      key=$(printf 'a key of the tests, and no secret' | base64 -w0)
      launch "$name" "$port" env "AZURITE_ACCOUNTS=testaccount:$key" "$cache/azurite/node_modules/.bin/azurite-blob" \
        --blobHost $host --blobPort "$port" --location "$dir/$name" --silent --skipApiVersionCheck \
        --disableTelemetry
      echo "export COPILOT_TEST_AZURE=http://$host:$port/testaccount"
      echo "export COPILOT_TEST_AZURE_KEY=$key"
      ;;
    redis)
      launch "$name" "$port" redis-server --bind $host --port "$port" --save "" --dir "$dir/$name"
      echo "export COPILOT_TEST_REDIS=redis://$host:$port"
      ;;
    *) die "no server '$name': expected one of ${ALL[*]} minio-tls" ;;
  esac
}

stop() {
  local file pid
  for file in "$1"/*.pid; do
    [ -e "$file" ] || continue
    pid=$(cat "$file")
    kill "$pid" 2>/dev/null || true
    for _ in $(seq 50); do
      kill -0 "$pid" 2>/dev/null || break
      sleep 0.1
    done
    kill -9 "$pid" 2>/dev/null || true
    rm -f "$file"
  done
}

command=${1:-}
shift || true
case $command in
  install)
    [ $# -gt 0 ] || set -- "${ALL[@]}"
    install "$@"
    ;;
  start)
    [ $# -gt 0 ] || die "start needs a directory for the servers' state"
    mkdir -p "$1"
    dir=$(cd "$1" && pwd)
    shift
    [ $# -gt 0 ] || set -- "${ALL[@]}"
    pids=()
    for name in "$@"; do start_one "$name"; done
    echo "export COPILOT_TEST_PIDS='${pids[*]}'"
    ;;
  stop)
    [ $# -eq 1 ] || die "stop needs the directory that start was given"
    stop "$1"
    ;;
  *) die "expected install, start DIR or stop DIR, with names of ${ALL[*]}" ;;
esac
