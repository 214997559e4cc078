# shellcheck shell=bash
# Which pods the webhook is asked about, whose the fields of its configuration are, and what an upgrade leaves. Sourced by test-install.
# shellcheck disable=SC2016 # what stands in single quotes is for jq

configuration=evenkeel-operator.$release_namespace

# new_pod NAMESPACE LABEL [CONTAINERS]: a pod with that label, to be created for show. A container is named NAME or init:NAME.
new_pod() {
  jq --null-input --arg wanted "$2" --arg containers "${3:-app}" '
    def container: {name: ., image: "none", securityContext: {allowPrivilegeEscalation: false, capabilities: {drop: ["ALL"]}}};
    ($containers | split(",")) as $all
    | {apiVersion: "v1", kind: "Pod", metadata: {name: "app", labels: {"evenkeel.dev/inject": $wanted}},
       spec: {securityContext: {runAsNonRoot: true, seccompProfile: {type: "RuntimeDefault"}},
              containers: [$all[] | select(startswith("init:") | not) | container],
              initContainers: [$all[] | select(startswith("init:")) | ltrimstr("init:") | container]}}' |
    kube -n "$1" create --dry-run=server -f -
}

# dead_webhook ARGUMENT…: the chart's configuration, but at an address where nobody answers.
dead_webhook() {
  render --show-only templates/webhook.yaml "$@" | to_json | jq 'select(.kind == "MutatingWebhookConfiguration")
    | .metadata.name = "dead" | .webhooks[].clientConfig = {url: "https://127.0.0.1:1/"}' | kube apply -f -
}

asked() { ! new_pod shop enabled; }
ignored() { new_pod shop enabled; }

# check_dead_webhook: before the chart is there. A configuration is in force within about a second.
check_dead_webhook() {
  kube -n shop create serviceaccount default >/dev/null 2>&1 || true
  accepts 'a webhook that is dead' dead_webhook
  accepts 'it is in force' await 30 asked
  refuses 'a pod that wants a sidecar waits for the operator' 'fail.inject.evenkeel.dev' new_pod shop enabled
  accepts 'one that says it another way does not' new_pod shop disabled
  accepts 'nor one that has a sidecar' new_pod shop enabled init:evenkeel-proxy,app
  accepts 'nor one that has it as an ordinary container' new_pod shop enabled app,evenkeel-proxy
  refuses 'but one with another init container' 'fail.inject.evenkeel.dev' new_pod shop enabled init:other,app
  accepts 'nor any pod of kube-system' new_pod kube-system enabled
  accepts 'nor any where the operator runs' new_pod "$release_namespace" enabled
  kube label namespace shop evenkeel.dev/injection-failure-policy=Ignore >/dev/null
  accepts 'a namespace may choose to go on without' await 30 ignored
  accepts 'or all may' dead_webhook --set injection.failurePolicy=Ignore
  kube label namespace shop evenkeel.dev/injection-failure-policy- >/dev/null
  accepts 'then nobody waits' await 30 ignored
  kube label namespace shop evenkeel.dev/injection-failure-policy=Fail >/dev/null
  accepts 'but who chooses to' await 30 asked
  kube label namespace shop evenkeel.dev/injection-failure-policy- >/dev/null
  accepts 'of some namespaces' dead_webhook --set rbac.scope=Namespaced --set 'rbac.watchNamespaces={blog}'
  accepts 'no other waits' await 30 ignored
  kube delete mutatingwebhookconfiguration dead >/dev/null
}

# bundle: what the operator wrote; the API server takes nothing but certificates.
bundle() { base64 --wrap 0 "$(dirname "$kubeconfig")/apiserver.crt"; }
patch_webhooks() { as_operator patch mutatingwebhookconfiguration "$configuration" --type json --patch "$1"; }
bundle_kept() {
  kube get mutatingwebhookconfiguration "$configuration" -o json |
    jq -e --arg bundle "$(bundle)" '.webhooks | length == 2 and all(.[]; .clientConfig.caBundle == $bundle)'
}
failure_policies() {
  kube get mutatingwebhookconfiguration "$configuration" -o json |
    jq -e --arg key "$1" 'any(.webhooks[].namespaceSelector.matchExpressions[]; "\(.operator) \(.values[0])" == $key)'
}
apply_webhook() { render --show-only templates/webhook.yaml | kube apply "$@" -f -; }

check_webhook_configuration() {
  accepts 'the operator tells whom to trust' patch_webhooks "$(jq --null-input --arg bundle "$(bundle)" \
    '[0, 1 | {op: "add", path: "/webhooks/\(.)/clientConfig/caBundle", value: $bundle}]')"
  local what patch
  while IFS='|' read -r what patch; do
    refuses "it cannot $what" 'but its caBundle' patch_webhooks "$patch"
  done <<'CASES'
ask about Secrets|[{"op":"replace","path":"/webhooks/0/rules/0/resources/0","value":"secrets"}]
ask when pods change|[{"op":"add","path":"/webhooks/0/rules/0/operations/-","value":"UPDATE"}]
ask about all pods|[{"op":"remove","path":"/webhooks/0/objectSelector/matchLabels"}]
ask about other namespaces|[{"op":"replace","path":"/webhooks/0/namespaceSelector","value":{}}]
ask about injected pods|[{"op":"remove","path":"/webhooks/0/matchConditions"}]
make others answer|[{"op":"replace","path":"/webhooks/0/clientConfig","value":{"url":"https://attacker.example/"}}]
make another Service answer|[{"op":"replace","path":"/webhooks/0/clientConfig/service/namespace","value":"shop"}]
fail more often|[{"op":"replace","path":"/webhooks/1/failurePolicy","value":"Fail"}]
take longer|[{"op":"replace","path":"/webhooks/1/timeoutSeconds","value":30}]
add a webhook|[{"op":"copy","from":"/webhooks/0","path":"/webhooks/-"},{"op":"replace","path":"/webhooks/2/name","value":"x.evenkeel.dev"}]
remove one|[{"op":"remove","path":"/webhooks/1"}]
CASES
  refuses 'nor label it' 'but each caBundle' patch_webhooks '[{"op":"add","path":"/metadata/labels/x","value":"y"}]'
  accepts 'an upgrade changes the webhooks' release upgrade evenkeel "$chart" --set injection.failurePolicy=Ignore
  accepts 'as it should' failure_policies 'NotIn Fail'
  accepts 'and leaves the operator its part' bundle_kept
  accepts 'a rollback too' release rollback evenkeel
  accepts 'as it should' failure_policies 'NotIn Ignore'
  accepts 'and leaves it' bundle_kept
  accepts 'kubectl apply too' apply_webhook
  accepts 'as much as at the server' apply_webhook --server-side --force-conflicts --field-manager helm
  accepts 'it is all there' bundle_kept
}

# own_bundle: what both webhooks trust is the authority in the operator's Secret.
own_bundle() {
  local authority
  authority=$(kube -n "$release_namespace" get secret evenkeel-operator -o jsonpath='{.data.ca\.crt}')
  kube get mutatingwebhookconfiguration "$configuration" -o json |
    jq -e --arg authority "$authority" '$authority != "" and (.webhooks | length == 2)
      and all(.webhooks[]; (.clientConfig.caBundle // "" | @base64d) | contains($authority | @base64d))'
}
leads() { kube -n "$release_namespace" get lease evenkeel-operator -o json | jq -e '.spec.holderIdentity != ""'; }
opaque() { kube -n "$release_namespace" get secret evenkeel-operator -o json | jq -e '.type == "Opaque"'; }
lose_bundle() {
  kube patch mutatingwebhookconfiguration "$configuration" --type json --patch \
    "$(jq --null-input '[0, 1 | {op: "remove", path: "/webhooks/\(.)/clientConfig/caBundle"}]')"
}

# check_own_objects: with the real operator, held by RBAC and the policies.
check_own_objects() {
  accepts 'it leads' await 30 leads
  accepts 'its webhooks trust the authority in its Secret' await 30 own_bundle
  accepts 'which is of the type that the policy asks for' opaque
  accepts 'an upgrade that replaces the webhooks loses that' lose_bundle
  accepts 'the operator tells it again' await 30 own_bundle
}
