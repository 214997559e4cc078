# shellcheck shell=bash
# What the scripts in this folder share: versions, the cache, messages, locks, waiting. Sourced, never run.
# shellcheck disable=SC2034 # most of these are for the scripts that source this

# Every version in one place. etcd comes at the version that the Kubernetes module itself requires.
kubernetes_version=1.34.4
coredns_version=1.14.7
kind_version=0.33.0
helm_version=3.21.4
debian_release=trixie # the node image's: the first Debian with containerd 1.7
oldest_kubernetes_minor=33 # of an API server that we did not build: what k8s-openapi's feature v1_33 speaks

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
checkout=$(cd "$here/../.." && pwd)
cache=${XDG_CACHE_HOME:-${HOME:?HOME is not set}/.cache}/evenkeel
built=$cache/kubernetes-$kubernetes_version
mkdir -p "$cache"

# The user's clusters are none of our business: every call names its kubeconfig, and kubectl and helm keep their caches in ours.
unset KUBECONFIG KIND_CLUSTER_NAME KIND_EXPERIMENTAL_PROVIDER
export KUBECACHEDIR=$cache/kubectl HELM_CACHE_HOME=$cache/helm HELM_CONFIG_HOME=$cache/helm HELM_DATA_HOME=$cache/helm

# Standard output is for results; what a person reads goes to standard error.
say() { printf '%s: %s\n' "$(basename "$0")" "$*" >&2; }
die() {
  say "$*"
  exit 1
}

# lock NAME SECONDS: one holder at a time, until this process and all that inherited the descriptor have ended.
lock() {
  local fd
  exec {fd}>"$cache/$1.lock"
  flock -n "$fd" && return
  say "waiting for another run that holds $cache/$1.lock"
  flock -w "$2" "$fd" || die "gave up after $2 s: $cache/$1.lock is still held (by whom: fuser -v $cache/$1.lock)"
}

# await SECONDS COMMAND…: repeats a quiet command until it succeeds; fails at the deadline.
await() {
  local deadline=$((SECONDS + $1))
  shift
  until "$@" >/dev/null 2>&1; do
    ((SECONDS < deadline)) || return 1
    sleep 0.1
  done
}

# ended PID: gone, or a zombie that an idle init has not yet buried.
ended() { ! grep -q '^State:[[:space:]]*[^ZX]' "/proc/$1/status" 2>/dev/null; }

# logged FILE COMMAND…: adds the output to a log and shows its end only when the command fails.
logged() {
  local log=$1 status=0
  shift
  "$@" >>"$log" 2>&1 </dev/null || status=$?
  ((status == 0)) && return
  tail -n 30 "$log" >&2
  die "failed with status $status: $* (whole log: $log)"
}

# use_docker: points this script's Docker calls at a Docker that answers, starting a private one if there is none.
use_docker() {
  local host
  host=$("$here/docker")
  [ -z "$host" ] || export DOCKER_HOST=$host
}

# cluster_name [NAME]: checks a kind cluster's name. All of ours begin alike, so that no other can be meant.
cluster_name() {
  local name=${1:-evenkeel}
  [[ $name =~ ^evenkeel(-[a-z0-9]+)*$ ]] || die "a cluster of these scripts is named evenkeel or evenkeel-SOMETHING, not $name"
  echo "$name"
}

# nodes_of NAME [DOCKER-PS-FLAG…]: the node containers of a kind cluster.
nodes_of() { docker ps "${@:2}" --filter "label=io.x-k8s.kind.cluster=$1" --format '{{.Names}}'; }
