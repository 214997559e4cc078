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
    pod::Pod,
};
use crate::options::PullPolicy;

/// Longer reasons are longer than anybody reads.
pub(super) const MAX_REASON: usize = 1500;
/// What users wrote is quoted up to here: an annotation can have 256 KiB.
pub(super) const MAX_QUOTE: usize = 80;

/// More problems with ports than anybody reads: a pod can have a hundred thousand of them.
const MOST_PROBLEMS: usize = 32;

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
pub fn pools_to_look_up(pod: &Pod) -> Vec<&str> {
    if !pod.asks() || pod.has_sidecar() {
        return Vec::new();
    }
    pod.annotation(POOLS).and_then(|value| pools_of(value).ok()).unwrap_or_default()
}

/// Decides about a pod that is to be made in a namespace. `state` knows the pools of [`pools_to_look_up`].
pub fn admit(pod: &Pod, namespace: &str, state: impl Fn(&str) -> PoolState, settings: &Settings) -> Decision {
    if !pod.asks() {
        return Decision::NotAsked;
    }
    if pod.has_sidecar() {
        return Decision::Already;
    }
    let mut problems = problems_of_place(pod);
    let pools = pools(pod).unwrap_or_else(|problem| {
        problems.push(problem);
        Vec::new()
    });
    problems.extend(problems_of_pools(pod, namespace, &pools, state));
    let resources = settings.resources.for_pod(pod).unwrap_or_else(|wrong| {
        problems.extend(wrong);
        Resources::default()
    });
    let tables = pod.token_volume().map_or(Tables::Mounted, |token| Tables::Watched { token });
    let sidecar = Sidecar { namespace, pools: &pools, tables, user_is_named: pod.names_user() };
    let volumes = sidecar.volumes();
    problems.extend(problems_of_volumes(pod, &volumes));
    if problems.is_empty() {
        Decision::Inject(inject(pod, sidecar.container(settings, &resources), volumes))
    } else {
        Decision::Refuse(shorten(&problems.join("; "), MAX_REASON).into_owned())
    }
}

fn pools(pod: &Pod) -> Result<Vec<&str>, String> {
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

fn problems_of_place(pod: &Pod) -> Vec<String> {
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
fn problems_of_pools(pod: &Pod, namespace: &str, pools: &[&str], state: impl Fn(&str) -> PoolState) -> Vec<String> {
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
    for (container, port) in pod.ports() {
        if problems.len() > MOST_PROBLEMS {
            break;
        }
        let container = shorten(container, MAX_QUOTE);
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

fn problems_of_volumes(pod: &Pod, ours: &[Value]) -> Vec<String> {
    let names = ours.iter().filter_map(|own| own["name"].as_str()).filter(|name| pod.has_volume(name));
    names.map(|name| format!("the pod has a volume {name:?}, whose name the sidecar needs; rename it")).collect()
}

/// The first so many characters of a text that has more.
pub(super) fn shorten(text: &str, characters: usize) -> Cow<'_, str> {
    match text.char_indices().nth(characters) {
        None => text.into(),
        Some((end, _)) => format!("{}…", &text[..end]).into(),
    }
}
