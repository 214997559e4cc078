//! What becomes of a pod that is to be made.

use std::{borrow::Cow, collections::BTreeMap};

use evenkeel_crds::{
    names::{ADMIN_PORT, annotations::POOLS},
    sidecar::{PoolsError, pools_of},
};
use json_patch::Patch;
use serde_json::Value;

use super::{
    PoolState, Resources,
    container::{Sidecar, Tables},
    patch::inject,
    pod::{PodView, list},
};
use crate::options::PullPolicy;

/// Longer reasons are longer than anybody reads.
pub(super) const MAX_REASON: usize = 1500;
/// What users wrote is quoted up to here: an annotation can have 256 KiB.
pub(super) const MAX_QUOTE: usize = 80;

/// How sidecars are made in this installation.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The image of proxies.
    pub image: String,
    /// When nodes pull it.
    pub pull_policy: Option<PullPolicy>,
    /// What a sidecar requests and may use where its pod does not say it.
    pub resources: Resources,
}

/// What becomes of a pod.
#[derive(Clone, Debug, PartialEq)]
pub enum Decision {
    /// It gets a sidecar by this patch.
    Inject(Patch),
    /// It has a sidecar.
    Already,
    /// It asked for none.
    NotAsked,
    /// It cannot have one: why, and what to do.
    Refuse(String),
}

/// The pools that a decision depends on; none where it depends on the pod alone.
#[must_use]
pub fn pools_to_look_up(pod: &Value) -> Vec<&str> {
    let pod = PodView(pod);
    if !pod.asks() || pod.has_sidecar() {
        return Vec::new();
    }
    pod.annotation(POOLS).and_then(|value| pools_of(value).ok()).unwrap_or_default()
}

/// Decides about a pod that is to be made in a namespace. `state` knows the pools of [`pools_to_look_up`].
pub fn admit(pod: &Value, namespace: &str, state: impl Fn(&str) -> PoolState, settings: &Settings) -> Decision {
    let view = PodView(pod);
    if !view.asks() {
        return Decision::NotAsked;
    }
    if view.has_sidecar() {
        return Decision::Already;
    }
    let mut problems = problems_of_place(view);
    let pools = pools(view).unwrap_or_else(|problem| {
        problems.push(problem);
        Vec::new()
    });
    problems.extend(problems_of_pools(view, namespace, &pools, state));
    let resources = settings.resources.for_pod(view).unwrap_or_else(|wrong| {
        problems.extend(wrong);
        Resources::default()
    });
    let tables = view.token_volume().map_or(Tables::Mounted, |token| Tables::Watched { token });
    let sidecar = Sidecar { namespace, pools: &pools, tables };
    let volumes = sidecar.volumes();
    problems.extend(problems_of_volumes(view, &volumes));
    if problems.is_empty() {
        Decision::Inject(inject(pod, sidecar.container(settings, &resources), volumes))
    } else {
        Decision::Refuse(shorten(&problems.join("; "), MAX_REASON).into_owned())
    }
}

fn pools(pod: PodView<'_>) -> Result<Vec<&str>, String> {
    let Some(value) = pod.annotation(POOLS) else {
        return Err(format!(
            "the label evenkeel.dev/inject asks for a sidecar, but no annotation says for which pools; add one, for example \
             {POOLS}: web"
        ));
    };
    pools_of(value).map_err(|error| {
        let error = match error {
            PoolsError::Name(name) => PoolsError::Name(shorten(&name, MAX_QUOTE).into_owned()),
            other => other,
        };
        format!("the annotation {POOLS} {error}")
    })
}

fn problems_of_place(pod: PodView) -> Vec<String> {
    let mut problems = Vec::new();
    if pod.is_on_host_network() {
        problems.push(
            "a pod with hostNetwork shares its loopback and ports with the node, so that it can have no sidecar; remove \
             hostNetwork, or the label evenkeel.dev/inject"
                .into(),
        );
    }
    if pod.is_for_windows() {
        problems.push("there is no sidecar for Windows; remove the label evenkeel.dev/inject".into());
    }
    problems
}

/// What is wrong with the pools, and with their ports beside each other and beside the containers'.
fn problems_of_pools(pod: PodView, namespace: &str, pools: &[&str], state: impl Fn(&str) -> PoolState) -> Vec<String> {
    let (mut problems, mut listeners) = (Vec::new(), BTreeMap::new());
    for &pool in pools {
        let state = state(pool);
        problems.extend(state.problem(pool, namespace));
        let PoolState::Usable { port } = state else { continue };
        if let Some(other) = listeners.insert(port, pool) {
            problems.push(format!(
                "BalancerPools {other:?} and {pool:?} both listen on port {port}, which one sidecar cannot; give one of them \
                 another spec.listener.port, or remove it from the annotation {POOLS}"
            ));
        }
    }
    for (container, port) in ports(pod) {
        if let Some(pool) = listeners.get(&port) {
            problems.push(format!(
                "container {container:?} has port {port}, where the sidecar listens for BalancerPool {pool:?}; change that \
                 port, or the pool's spec.listener.port"
            ));
        }
        if port == ADMIN_PORT {
            problems.push(format!(
                "container {container:?} has port {port}, where the sidecar answers its probes; give the container another one"
            ));
        }
    }
    problems
}

/// The TCP ports of containers. Those of the start run while the sidecar does.
fn ports(pod: PodView<'_>) -> impl Iterator<Item = (&str, u16)> {
    pod.containers().flat_map(|container| {
        let name = container["name"].as_str().unwrap_or_default();
        let tcp =
            list(container, "ports").filter(|port| port["protocol"].as_str().is_none_or(|protocol| protocol == "TCP"));
        tcp.filter_map(move |port| Some((name, u16::try_from(port["containerPort"].as_u64()?).ok()?)))
    })
}

fn problems_of_volumes(pod: PodView, ours: &[Value]) -> Vec<String> {
    let taken = pod.volumes().filter(|volume| ours.iter().any(|own| own["name"] == volume["name"]));
    let problem =
        |volume: &Value| format!("the pod has a volume {}, whose name the sidecar needs; rename it", volume["name"]);
    taken.map(problem).collect()
}

/// The first so many characters of a text that has more.
pub(super) fn shorten(text: &str, characters: usize) -> Cow<'_, str> {
    match text.char_indices().nth(characters) {
        None => text.into(),
        Some((end, _)) => format!("{}…", &text[..end]).into(),
    }
}
