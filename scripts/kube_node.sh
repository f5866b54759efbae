#!/usr/bin/env bash
# A real Kubernetes of one node for the tests: etcd, kube-apiserver, containerd, runc and kubelet in namespaces and a cgroup of their
# own. As root, without systemd, docker or a registry; several can run at once.
#
#   scripts/kube_node.sh install                          Debian packages and Kubernetes' programs; does nothing where that is done
#   scripts/kube_node.sh start DIR                        starts a node with all its state in DIR and prints shell assignments
#   scripts/kube_node.sh exec DIR COMMAND...              runs a command where the API server and the pods can be reached
#   scripts/kube_node.sh load DIR ARCHIVE                 loads an image archive (scripts/image_archive.ts, docker save)
#   scripts/kube_node.sh namespace DIR NAME [KEY=VALUE]   makes a namespace, with a label if one is given
#   scripts/kube_node.sh stop DIR                         ends the node and removes DIR
#
# There is no scheduler and no controller: a pod says `nodeName: node` and `imagePullPolicy: IfNotPresent`. The API server is
# https://10.99.0.1 inside; a server that listens on 10.99.0.1 is reached from every pod. A start takes about 5 s and 415 MB.
# Tried with the controllers of cgroup v1; what is done for cgroup v2 follows the kernel's rules.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
. "$here/lib.sh"
. "$here/kube_node_files.sh"

PACKAGES=(containerd runc containernetworking-plugins etcd-server iproute2 util-linux procps openssl curl ca-certificates)
ADDRESS=10.99.0.1

die() {
  echo "kube_node: $*" >&2
  exit 1
}

install() {
  local bin
  [ "$(id -u)" = 0 ] || die "expected root: a node mounts, unshares and makes cgroups"
  apt_install "${PACKAGES[@]}"
  {
    read -r api_server
    read -r kubelet
    read -r kubectl
  } < <("$here/kube_build.sh" kube-apiserver kubelet kubectl) || die "Kubernetes could not be built"
  bin=${kubelet%/*}
  pause=$bin/kube-pause
  if [ ! -x "$pause" ]; then
    CGO_ENABLED=0 go build -trimpath -ldflags="-s -w" -o "$pause.new" "$here/kube_pause.go" >&2
    mv "$pause.new" "$pause"
  fi
}

# first_process: the PID of the namespaces' first process, as this machine counts it; fails where there is none any more.
first_process() {
  local pid
  pid=$(cat "$dir/first.pid" 2>/dev/null) || return 1
  [ "$(cat "/proc/$pid/comm" 2>/dev/null)" = kube-pause ] && echo "$pid"
}

# inside COMMAND...: in the node's namespaces and cgroup, in this working directory.
inside() {
  local pid
  pid=$(first_process) || die "no node runs in $dir: scripts/kube_node.sh start $dir"
  # shellcheck disable=SC2016 -- expanded inside
  nsenter --target "$pid" --net --mount --pid --ipc --uts --cgroup --wd="$PWD" -- bash -c '
    groups=(/sys/fs/cgroup/*/cgroup.procs)
    [ ! -e /sys/fs/cgroup/cgroup.controllers ] || groups=(/sys/fs/cgroup/init/cgroup.procs)
    for procs in "${groups[@]}"; do echo $$ >"$procs"; done
    exec "$@"' bash "$@"
}

# launch NAME COMMAND...: runs it inside, in the background.
launch() {
  local name=$1
  shift
  inside setsid nohup "$@" >"$dir/log/$name.log" 2>&1 </dev/null &
}

# await SECONDS WHAT COMMAND...: until the command succeeds.
await() {
  local end=$((SECONDS + $1)) what=$2
  shift 2
  until "$@" >/dev/null 2>&1; do
    if [ "$SECONDS" -ge "$end" ]; then
      tail -n 5 "$dir"/log/*.log >&2
      die "$what is not ready in time; the logs are in $dir/log"
    fi
    first_process >/dev/null || die "the node ended while it waited for $what"
    sleep 0.1
  done
}

# api METHOD PATH [JSON]
api() {
  inside curl -sS --fail --cacert "$dir/ca.crt" -H "Authorization: Bearer $(cat "$dir/token")" \
    -H "Content-Type: application/json" -X "$1" "https://$ADDRESS$2" ${3:+--data "$3"}
}

load() {
  [ -r "$1" ] || die "no image archive $1"
  inside ctr --address "$dir/containerd.sock" --namespace k8s.io images import "$1" >"$dir/log/import.log" 2>&1 ||
    die "cannot load $1: $(tail -n 1 "$dir/log/import.log")"
}

# namespace NAME [KEY=VALUE]: with what the controllers of a cluster would put into it.
namespace() {
  local name=$1 label=${2:-} labels={} place=/api/v1/namespaces/$1 ca
  [ -z "$label" ] || labels="{\"${label%%=*}\":\"${label#*=}\"}"
  api GET "$place" >/dev/null 2>&1 ||
    api POST /api/v1/namespaces "{\"metadata\":{\"name\":\"$name\",\"labels\":$labels}}" >/dev/null
  ca=$(awk '{printf "%s\\n", $0}' "$dir/ca.crt")
  api POST "$place/serviceaccounts" '{"metadata":{"name":"default"}}' >/dev/null
  api POST "$place/configmaps" "{\"metadata\":{\"name\":\"kube-root-ca.crt\"},\"data\":{\"ca.crt\":\"$ca\"}}" >/dev/null
}

# Makes the node's cgroup in every hierarchy and moves this shell into it: the cgroup namespace then has it as its root, and two
# nodes do not clear away each other's pods.
enter_cgroups() {
  local name=$1 mount type own group controller
  while read -r _ mount type _; do
    own=/
    case $type in
      cgroup)
        # Below the caller's own group, where that is visible.
        own=$(awk -F: -v hierarchy="${mount##*/}" '$2 == hierarchy || $2 == "name=" hierarchy {print $3}' /proc/self/cgroup)
        [ -d "$mount$own" ] || own=/
        ;;
      cgroup2)
        for controller in $(cat "$mount/cgroup.controllers"); do
          echo "+$controller" >"$mount/cgroup.subtree_control" 2>/dev/null || true
        done
        ;;
      *) continue ;;
    esac
    group=$mount${own%/}/$name
    mkdir "$group" || die "cannot make the cgroup $group"
    if [ "$type" = cgroup ] && [ -e "$group/cpuset.cpus" ]; then
      cat "$mount$own/cpuset.cpus" >"$group/cpuset.cpus"
      cat "$mount$own/cpuset.mems" >"$group/cpuset.mems"
    fi
    echo "$BASHPID" >"$group/cgroup.procs" || die "cannot move into the cgroup $group"
  done < <(cat /proc/mounts)
}

# On cgroup v2 a group that hands controllers on holds no process itself.
delegate_cgroups() {
  local group=/sys/fs/cgroup/$(cat "$dir/cgroup") pid controller
  [ -e "$group/cgroup.subtree_control" ] || return 0
  mkdir "$group/init"
  for pid in $(cat "$group/cgroup.procs"); do echo "$pid" >"$group/init/cgroup.procs"; done
  for controller in memory cpu pids; do
    grep -qw "$controller" "$group/cgroup.controllers" || die "cgroup v2 without the controller $controller"
  done
  for controller in $(cat "$group/cgroup.controllers"); do echo "+$controller" >"$group/cgroup.subtree_control"; done
}

# The first thing in the new namespaces. What containerd and kubelet leave behind goes to DIR or to memory, and the kernel settings
# that a kubelet makes, or fails, are files of this mount namespace.
prepare_namespaces() {
  local mount type options key file
  while read -r _ mount type options _; do
    case $type in
      cgroup)
        options=$(tr , '\n' <<<"$options" | grep -vE '^(rw|ro|relatime|nosuid|nodev|noexec)$' | paste -sd,)
        umount "$mount"
        mount -t cgroup -o "$options" cgroup "$mount"
        ;;
      cgroup2)
        umount "$mount"
        mount -t cgroup2 cgroup2 "$mount"
        ;;
    esac
  done < <(cat /proc/mounts)
  for mount in /run /var/lib /var/log; do mount -t tmpfs tmpfs "$mount"; done
  mkdir "$dir/sysctl"
  for key in vm/overcommit_memory=1 vm/panic_on_oom=0 kernel/panic=10 kernel/panic_on_oops=1 \
    kernel/keys/root_maxkeys=1000000 kernel/keys/root_maxbytes=25000000; do
    file=$dir/sysctl/$(tr / . <<<"${key%=*}")
    echo "${key#*=}" >"$file"
    mount --bind "$file" "/proc/sys/${key%=*}"
  done
  ip link set lo up
  ip address add 10.0.0.1/32 dev lo # the service `kubernetes`
  ip address add "$ADDRESS/32" dev lo
  hostname node
}

make_namespaces() {
  local parent
  echo "copilot-node-$$-$RANDOM" >"$dir/cgroup"
  (
    enter_cgroups "$(cat "$dir/cgroup")"
    exec setsid unshare --net --mount --pid --ipc --uts --cgroup --fork --mount-proc --propagation private \
      "$here/kube_node.sh" first "$dir" "$pause"
  ) >"$dir/log/first.log" 2>&1 </dev/null &
  parent=$!
  for _ in $(seq 100); do
    cat "/proc/$parent/task/$parent/children" 2>/dev/null | tr -d ' ' >"$dir/first.pid"
    ! first_process >/dev/null || return 0
    kill -0 "$parent" 2>/dev/null || break
    sleep 0.1
  done
  die "cannot make namespaces here: $(tail -n 2 "$dir/log/first.log")"
}

start() {
  case $dir in /run/* | /var/lib/* | /var/log/*) die "cannot keep a node in $dir: the node covers that directory" ;; esac
  [ -z "$(ls -A "$dir")" ] || die "cannot keep a node in $dir: expected an empty directory"
  mkdir "$dir/log" "$dir/cni" "$dir/volume-plugins"
  trap '[ -e "$dir/ready" ] || stop_processes' EXIT
  make_namespaces
  delegate_cgroups
  make_keys "$dir" "IP:127.0.0.1,IP:10.0.0.1,IP:$ADDRESS,DNS:localhost,DNS:kubernetes.default.svc"
  write_files
  launch etcd etcd --data-dir "$dir/etcd" --unsafe-no-fsync \
    --listen-client-urls http://127.0.0.1:2379 --advertise-client-urls http://127.0.0.1:2379 \
    --listen-peer-urls http://127.0.0.1:2380 --initial-advertise-peer-urls http://127.0.0.1:2380 \
    --initial-cluster default=http://127.0.0.1:2380
  launch kube-apiserver "$api_server" --etcd-servers=http://127.0.0.1:2379 --secure-port=443 --bind-address=0.0.0.0 \
    --advertise-address="$ADDRESS" --tls-cert-file="$dir/api.crt" --tls-private-key-file="$dir/api.key" \
    --service-account-key-file="$dir/sa.pub" --service-account-signing-key-file="$dir/sa.key" \
    --service-account-issuer=https://kubernetes.default.svc --token-auth-file="$dir/tokens.csv" \
    --authorization-mode=RBAC --service-cluster-ip-range=10.0.0.0/24 --kubelet-preferred-address-types=InternalIP
  launch containerd containerd --config "$dir/containerd.toml"
  await 30 containerd inside ctr --address "$dir/containerd.sock" version
  make_pause_image
  await 90 kube-apiserver api GET /readyz
  launch kubelet "$kubelet" --config "$dir/kubelet.yaml" --kubeconfig "$dir/kubeconfig" --root-dir "$dir/kubelet" \
    --cert-dir "$dir/pki" --hostname-override node --node-ip "$ADDRESS" -v=2
  await 30 "the namespace default" api GET /api/v1/namespaces/default
  namespace default
  await 60 kubelet node_is_ready
  touch "$dir/ready"
}

node_is_ready() {
  api GET /api/v1/nodes/node | tr -d ' \n' | grep -q '"type":"Ready","status":"True"'
}

make_pause_image() {
  mkdir "$dir/pause"
  cp "$pause" "$dir/pause/pause"
  "$(deno_path)" run -A "$here/image_archive.ts" --rootfs "$dir/pause" --output "$dir/pause.tar" \
    --tag localhost/pause:latest --user 65535:65535 --entrypoint /pause >/dev/null
  load "$dir/pause.tar"
}

# Ends everything in the namespaces, with the mounts, and removes their cgroups.
stop_processes() {
  local pid name mount group
  if pid=$(first_process); then
    kill -9 "$pid"
    while [ -e "/proc/$pid" ]; do sleep 0.05; done
  fi
  name=$(cat "$dir/cgroup" 2>/dev/null) || return 0
  for mount in $(awk '$3 ~ /^cgroup/ {print $2}' /proc/mounts); do
    for group in $(find "$mount" -depth -type d -path "*/$name*" 2>/dev/null); do
      # A group is busy for a moment after its last process.
      for _ in $(seq 20); do
        ! rmdir "$group" 2>/dev/null && [ -e "$group" ] || break
        sleep 0.05
      done
    done
  done
}

command=${1:-}
[ "$command" != install ] || {
  install
  exit
}
[ $# -ge 2 ] || die "expected install, or start, exec, load, namespace or stop with a directory"
mkdir -p "$2"
dir=$(cd "$2" && pwd)
shift 2
case $command in
  start)
    install
    start
    echo "export COPILOT_TEST_NODE=$dir"
    echo "export COPILOT_TEST_KUBECTL=$kubectl"
    ;;
  exec) inside "$@" ;;
  load) load "$@" ;;
  namespace) namespace "$@" ;;
  stop)
    [ -e "$dir/cgroup" ] || die "cannot stop a node in $dir: there is none"
    stop_processes
    rm -rf --one-file-system "$dir"
    ;;
  first)
    prepare_namespaces
    exec "$1"
    ;;
  *) die "expected install, start, exec, load, namespace or stop, not $command" ;;
esac
