//! How endpoints are chosen: what goes together, what does not, and the bounds of each number and name.

use evenkeel_crds::{
    BalancerPool,
    api::{
        Algorithm, ConsistentHash, GepDuration, HashCookie, HashHeader, HashQueryParameter, HashTable, HashType,
        LoadBalancing, Score, SlowStart, ZoneAware, ZoneMode,
    },
};

use super::{accepts, refuses};

fn set(balancing: LoadBalancing) -> impl FnOnce(&mut BalancerPool) {
    move |pool| pool.spec.load_balancing = Some(balancing)
}

fn by(algorithm: Algorithm) -> LoadBalancing {
    LoadBalancing { algorithm: Some(algorithm), ..LoadBalancing::default() }
}

fn key(type_: HashType) -> ConsistentHash {
    ConsistentHash { type_, header: None, cookie: None, query_parameter: None, table: None, max_load_percent: None }
}

fn header(name: &str) -> ConsistentHash {
    ConsistentHash { header: Some(HashHeader { name: name.into() }), ..key(HashType::Header) }
}

fn cookie(name: &str) -> ConsistentHash {
    ConsistentHash { cookie: Some(HashCookie { name: name.into() }), ..key(HashType::Cookie) }
}

fn parameter(name: &str) -> ConsistentHash {
    let query_parameter = Some(HashQueryParameter { name: name.into() });
    ConsistentHash { query_parameter, ..key(HashType::QueryParameter) }
}

fn hash(consistent_hash: ConsistentHash) -> LoadBalancing {
    LoadBalancing { consistent_hash: Some(consistent_hash), ..by(Algorithm::ConsistentHash) }
}

const LOCAL: ZoneAware = ZoneAware { mode: ZoneMode::PreferLocal, spill_over_percent: None };
const SCORE: Score = Score { load: 25, latency: 25, errors: 25, distance: 25 };

#[test]
fn a_setting_of_one_algorithm_is_refused_with_another() {
    accepts("nothing", set(LoadBalancing::default()));
    let (hashes, score) = ("spec.loadBalancing.consistentHash", "spec.loadBalancing.score");
    for algorithm in
        [Algorithm::RoundRobin, Algorithm::LeastRequest, Algorithm::Random, Algorithm::PeakEwma, Algorithm::Score]
    {
        accepts("alone", set(by(algorithm)));
        accepts("zones", set(LoadBalancing { zone_aware: Some(LOCAL), ..by(algorithm) }));
        let with_key = LoadBalancing { consistent_hash: Some(key(HashType::Path)), ..by(algorithm) };
        refuses("a key", hashes, set(with_key));
        let with_score = LoadBalancing { score: Some(SCORE), ..by(algorithm) };
        if algorithm == Algorithm::Score {
            accepts("its own", set(with_score));
        } else {
            refuses("a score", score, set(with_score));
        }
    }
    refuses("a key by default", hashes, set(LoadBalancing { algorithm: None, ..hash(key(HashType::Path)) }));
    refuses("a score by default", score, set(LoadBalancing { algorithm: None, ..score_of(SCORE) }));
    refuses("no key", hashes, set(by(Algorithm::ConsistentHash)));
    let zones = LoadBalancing { zone_aware: Some(LOCAL), ..hash(key(HashType::Path)) };
    refuses("a key has no zone", "spec.loadBalancing.zoneAware", set(zones));
    accepts("zones by default", set(LoadBalancing { zone_aware: Some(LOCAL), ..LoadBalancing::default() }));
}

#[test]
fn keys_are_named_by_the_field_of_their_type_alone() {
    for type_ in [HashType::SourceIp, HashType::Path, HashType::Host] {
        accepts("no name", set(hash(key(type_))));
    }
    for (given, field) in
        [(header("x-user"), "header"), (cookie("user"), "cookie"), (parameter("user"), "queryParameter")]
    {
        let field = format!("spec.loadBalancing.consistentHash.{field}");
        accepts(&field, set(hash(given.clone())));
        refuses("no name", &field, set(hash(key(given.type_))));
        refuses("not of this type", &field, set(hash(ConsistentHash { type_: HashType::Path, ..given })));
    }
}

#[test]
fn names_of_keys() {
    let long = "a".repeat(256);
    let too_long = "a".repeat(257);
    for name in ["X-User", "0", "~!#$%&'*+-.^`|", &long] {
        accepts(name, set(hash(header(name))));
        accepts(name, set(hash(cookie(name))));
    }
    accepts("_", set(hash(cookie("_ga"))));
    refuses("_", "spec.loadBalancing.consistentHash.header.name", set(hash(header("x_user"))));
    for name in ["", "a b", "a=b", "a;b", "a,b", "\"a\"", "ä", "a\n", &too_long] {
        refuses(name, "spec.loadBalancing.consistentHash.header.name", set(hash(header(name))));
        refuses(name, "spec.loadBalancing.consistentHash.cookie.name", set(hash(cookie(name))));
    }
    for name in ["user", "User_1", "a[0]", "%20", "a+b", "!\"$%'(;<>?~", &long] {
        accepts(name, set(hash(parameter(name))));
    }
    for name in ["", "a b", "a=b", "a&b", "a#b", "ä", "a\n", "\u{7f}", &too_long] {
        refuses(name, "spec.loadBalancing.consistentHash.queryParameter.name", set(hash(parameter(name))));
    }
}

#[test]
fn bounds_of_loads() {
    let bound = |percent| hash(ConsistentHash { max_load_percent: Some(percent), ..key(HashType::Path) });
    for percent in [101, 125, 1000] {
        accepts("a bound", set(bound(percent)));
    }
    for percent in [i32::MIN, -1, 0, 100, 1001] {
        refuses("a bound", "spec.loadBalancing.consistentHash.maxLoadPercent", set(bound(percent)));
    }
    for table in [HashTable::Ring, HashTable::Maglev] {
        accepts("a table", set(hash(ConsistentHash { table: Some(table), ..key(HashType::Path) })));
    }
}

fn score_of(score: Score) -> LoadBalancing {
    LoadBalancing { score: Some(score), ..by(Algorithm::Score) }
}

#[test]
fn scores() {
    for [load, latency, errors, distance] in [[40, 30, 20, 10], [100, 0, 0, 0], [0, 0, 0, 100], [25, 25, 25, 25]] {
        accepts("100", set(score_of(Score { load, latency, errors, distance })));
    }
    for load in [0, 24, 26, 100] {
        refuses("another sum", "spec.loadBalancing.score", set(score_of(Score { load, ..SCORE })));
    }
    refuses("above", "spec.loadBalancing.score.load", set(score_of(Score { load: 101, ..SCORE })));
    refuses("below", "spec.loadBalancing.score.latency", set(score_of(Score { latency: -1, ..SCORE })));
    refuses("above", "spec.loadBalancing.score.errors", set(score_of(Score { errors: i32::MAX, ..SCORE })));
    refuses("below", "spec.loadBalancing.score.distance", set(score_of(Score { distance: i32::MIN, ..SCORE })));
}

#[test]
fn slow_starts() {
    let of = |slow_start| set(LoadBalancing { slow_start: Some(slow_start), ..LoadBalancing::default() });
    accepts("nothing", of(SlowStart::default()));
    for text in ["0s", "0ms", "1s", "30s", "1500ms", "15m", "900s"] {
        accepts(text, of(SlowStart { window: Some(GepDuration(text.into())), min_percent: None }));
    }
    for text in ["", "30", "1ms", "999ms", "15m1ms", "1h", "-1s"] {
        let given = SlowStart { window: Some(GepDuration(text.into())), min_percent: None };
        refuses(text, "spec.loadBalancing.slowStart.window", of(given));
    }
    for percent in [1, 10, 100] {
        accepts("percent", of(SlowStart { window: None, min_percent: Some(percent) }));
    }
    for percent in [-1, 0, 101] {
        let given = SlowStart { window: None, min_percent: Some(percent) };
        refuses("percent", "spec.loadBalancing.slowStart.minPercent", of(given));
    }
}

#[test]
fn zones() {
    let of = |percent| {
        let zones = ZoneAware { spill_over_percent: Some(percent), ..LOCAL };
        set(LoadBalancing { zone_aware: Some(zones), ..LoadBalancing::default() })
    };
    for percent in [50, 80, 100] {
        accepts("percent", of(percent));
    }
    for percent in [-1, 0, 49, 101] {
        refuses("percent", "spec.loadBalancing.zoneAware.spillOverPercent", of(percent));
    }
}

#[test]
fn backups() {
    let set = |weights: [(i32, Option<bool>); 2]| {
        move |pool: &mut BalancerPool| {
            for (backend, (weight, backup)) in pool.spec.backends.iter_mut().zip(weights) {
                (backend.weight, backend.backup) = (weight, backup);
            }
        }
    };
    accepts("one serves", set([(1, None), (1, Some(true))]));
    accepts("said so", set([(1, Some(false)), (0, Some(true))]));
    refuses("none serves", "spec.backends", set([(1, Some(true)), (1, Some(true))]));
    refuses("the other has no weight", "spec.backends", set([(1, Some(true)), (0, None)]));
}
