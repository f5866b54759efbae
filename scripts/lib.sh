# Sourced by the other scripts: Deno, Debian packages, and the keys of an API server.

# deno_path: of the Deno in $DENO, on PATH, or from npm.
deno_path() {
  local version
  if [ -n "${DENO:-}" ]; then
    echo "$DENO"
  elif ! command -v deno; then
    version=$(sed -n 's/^export const DENO_VERSION = "\(.*\)";$/\1/p' "$(dirname "${BASH_SOURCE[0]}")/denort.ts")
    npx --yes "deno@$version" eval 'console.log(Deno.execPath())'
  fi
}

# apt_install PACKAGE...: those that are missing, without the services that Debian would start with them.
apt_install() {
  local package missing=() apt=(env RUNLEVEL=1 DEBIAN_FRONTEND=noninteractive apt-get -qq -o DPkg::Lock::Timeout=300)
  for package in "$@"; do
    dpkg-query -W -f='${db:Status-Status}' "$package" 2>/dev/null | grep -qx installed || missing+=("$package")
  done
  [ ${#missing[@]} -gt 0 ] || return 0
  "${apt[@]}" install -y --no-install-recommends "${missing[@]}" >&2 && return
  # The package lists may be old, or not there at all.
  "${apt[@]}" update >&2
  "${apt[@]}" install -y --no-install-recommends "${missing[@]}" >&2
}

# make_keys DIR NAMES: a CA, the API server's certificate for NAMES (subjectAltName), a key pair for service account tokens, and one
# administrator with a token. What is there stays.
make_keys() {
  local dir=$1 names=$2
  [ ! -e "$dir/token" ] || return 0
  openssl genrsa -out "$dir/sa.key" 2048 2>/dev/null
  openssl rsa -in "$dir/sa.key" -pubout -out "$dir/sa.pub" 2>/dev/null
  openssl req -x509 -newkey rsa:2048 -nodes -days 30 -subj "/CN=copilot test kube CA" \
    -keyout "$dir/ca.key" -out "$dir/ca.crt" 2>/dev/null
  openssl req -newkey rsa:2048 -nodes -subj "/CN=kube-apiserver" \
    -keyout "$dir/api.key" -out "$dir/api.csr" 2>/dev/null
  openssl x509 -req -in "$dir/api.csr" -CA "$dir/ca.crt" -CAkey "$dir/ca.key" -CAcreateserial -days 30 \
    -extfile <(printf 'subjectAltName=%s\nbasicConstraints=CA:FALSE\n' "$names") \
    -out "$dir/api.crt" 2>/dev/null
  (
    umask 077
    openssl rand -hex 16 >"$dir/token"
    printf '%s,admin,1,"system:masters"\n' "$(cat "$dir/token")" >"$dir/tokens.csv"
  )
}
