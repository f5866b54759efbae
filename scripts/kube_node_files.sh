# Sourced by kube_node.sh: the files that its programs are configured by.

# write_files: needs $dir and $ADDRESS.
write_files() {
  # Names do not resolve: nothing answers there, and at once.
  echo "nameserver $ADDRESS" >"$dir/resolv.conf"
  cat >"$dir/kubeconfig" <<K
apiVersion: v1
kind: Config
clusters: [{ name: node, cluster: { server: "https://$ADDRESS", certificate-authority: $dir/ca.crt } }]
users: [{ name: admin, user: { token: $(cat "$dir/token") } }]
contexts: [{ name: node, context: { cluster: node, user: admin } }]
current-context: node
K
  # Anybody in the node's network may ask this kubelet for anything.
  cat >"$dir/kubelet.yaml" <<K
apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
address: 0.0.0.0
authentication: { anonymous: { enabled: true }, webhook: { enabled: false } }
authorization: { mode: AlwaysAllow }
readOnlyPort: 0
containerRuntimeEndpoint: unix://$dir/containerd.sock
cgroupDriver: cgroupfs
cgroupRoot: /
enforceNodeAllocatable: [pods]
failCgroupV1: false
failSwapOn: false
oomScoreAdj: 0
makeIPTablesUtilChains: false
evictionHard: { memory.available: 100Mi }
imageGCHighThresholdPercent: 100
imageGCLowThresholdPercent: 99
podLogsDir: $dir/podlogs
volumePluginDir: $dir/volume-plugins
resolvConf: $dir/resolv.conf
clusterDomain: cluster.local
fileCheckFrequency: 0s
syncFrequency: 10s
K
  cat >"$dir/cni/10-bridge.conflist" <<K
{
  "cniVersion": "0.4.0",
  "name": "node",
  "plugins": [{
    "type": "bridge", "bridge": "pods0", "isGateway": true, "ipMasq": false,
    "ipam": {
      "type": "host-local", "dataDir": "$dir/ipam",
      "ranges": [[{ "subnet": "10.244.0.0/16" }]], "routes": [{ "dst": "0.0.0.0/0" }]
    }
  }]
}
K
  local plugin runtime='io.containerd.grpc.v1.cri'
  cat >"$dir/containerd.toml" <<K
version = 2
root = "$dir/containerd"
state = "/run/containerd"
oom_score = 0
disabled_plugins = [$(for plugin in snapshotter.v1.{aufs,btrfs,devmapper,zfs} internal.v1.opt tracing.processor.v1.otlp; do
    printf '"io.containerd.%s", ' "$plugin"
  done)]
[grpc]
address = "$dir/containerd.sock"
[plugins."$runtime"]
sandbox_image = "localhost/pause:latest"
restrict_oom_score_adj = true
stream_server_address = "127.0.0.1"
stream_server_port = "0"
[plugins."$runtime".cni]
bin_dir = "/usr/lib/cni"
conf_dir = "$dir/cni"
[plugins."$runtime".containerd]
snapshotter = "overlayfs"
default_runtime_name = "runc"
[plugins."$runtime".containerd.runtimes.runc]
runtime_type = "io.containerd.runc.v2"
[plugins."$runtime".containerd.runtimes.runc.options]
SystemdCgroup = false
K
}
