# shellcheck shell=bash
# What the chart's tests share: a scratch folder, counted checks, rendering. Sourced, never run.
# shellcheck disable=SC2034 # some of these are for the scripts that source this

charts=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
checkout=$(cd "$charts/.." && pwd)
chart=$charts/evenkeel
examples=$checkout/examples
release_namespace=evenkeel-system

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

# The user's clusters are none of our business; nor are the plug-ins and caches of the user's helm and kubectl.
unset KUBECONFIG
export HELM_CACHE_HOME=$scratch/helm HELM_CONFIG_HOME=$scratch/helm HELM_DATA_HOME=$scratch/helm KUBECACHEDIR=$scratch/kubectl

failures=0
good() { echo "ok    $1"; }
bad() {
  echo "FAILED $1"
  sed 's/^/       /' "$scratch/output"
  failures=$((failures + 1))
}

# accepts WHAT COMMAND…: the command must succeed.
accepts() {
  if "${@:2}" >"$scratch/output" 2>&1; then good "$1"; else bad "$1"; fi
}

# refuses WHAT TEXT COMMAND…: the command must fail and say TEXT.
refuses() {
  if "${@:3}" >"$scratch/output" 2>&1; then
    bad "$1: was accepted"
  elif grep -qF -- "$2" "$scratch/output"; then
    good "$1"
  else
    bad "$1: refused without saying: $2"
  fi
}

# finish: the verdict.
finish() {
  ((failures == 0)) || {
    echo "$failures of the checks failed"
    exit 1
  }
  echo 'all checks passed'
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

# render ARGUMENT…: the chart's objects. The floor of Chart.yaml, so that nothing newer slips in.
render() { helm template evenkeel "$chart" --namespace "$release_namespace" --kube-version 1.33.0 "$@"; }

# to_json: a stream of YAML documents as JSON, without a cluster.
to_json() { kubectl annotate --local -f - -o json none-; }

# kube: kubectl for the cluster of the tests. Whoever uses it sets kubeconfig.
kube() { kubectl --kubeconfig "$kubeconfig" "$@"; }

# restricted_pod NAMESPACE FILE: the Deployments' pods themselves, since pod security refuses pods and not Deployments.
restricted_pod() {
  to_json <"$2" | jq 'select(.kind == "Deployment") | .spec.template
    | {apiVersion: "v1", kind: "Pod", metadata: (.metadata + {generateName: "pod-"}), spec: (.spec | del(.serviceAccountName))}' |
    kube -n "$1" create --dry-run=server -f -
}
