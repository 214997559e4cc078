//! What holds of `translate` whatever a cluster throws at it.

use std::collections::BTreeMap;

use evenkeel_crds::{
    BalancerPool, RoutingTable,
    address::Scope,
    api::{
        Algorithm, Backend, BalancerPoolSpec, ConsistentHash, Endpoint as Listed, GepDuration, HashHeader, HashType,
        Listener, LoadBalancing, PortRef, Score, ServiceRef, SlowStart, Timeouts, ZoneAware, ZoneMode,
    },
    names::labels,
    table::{EndpointState, FleetProxy, Parts},
    translate::{Inputs, Translation, translate},
};
use k8s_openapi::{
    api::{
        core::v1::{ObjectReference, Service, ServicePort, ServiceSpec},
        discovery::v1::{Endpoint, EndpointConditions, EndpointPort, EndpointSlice},
    },
    apimachinery::pkg::apis::meta::v1::ObjectMeta,
};
use proptest::{
    collection::vec,
    option::{of, weighted},
    prelude::*,
    sample::{select, subsequence},
};

const NOW: i64 = 1_700_000_000;
const SERVICES: [&str; 3] = ["web", "api", "db"];
const PORTS: [&str; 3] = ["http", "grpc", ""];

/// Everything that a table depends on, owned.
#[derive(Clone, Debug)]
struct World {
    pool: BalancerPool,
    services: Vec<Service>,
    slices: Vec<EndpointSlice>,
    proxies: Vec<FleetProxy>,
}

impl World {
    fn translate(&self, published: Option<&RoutingTable>, now: i64) -> Translation {
        let services: Vec<_> = self.services.iter().collect();
        let slices: Vec<_> = self.slices.iter().collect();
        let Self { pool, proxies, .. } = self;
        let scope = Scope::Cluster;
        translate(&Inputs { pool, services: &services, slices: &slices, proxies, published, now, scope })
    }

    /// The same world, its lists in another order.
    fn shuffled(&self, mut seed: u64) -> Self {
        let mut other = self.clone();
        shuffle(&mut other.services, &mut seed);
        shuffle(&mut other.slices, &mut seed);
        shuffle(&mut other.proxies, &mut seed);
        for slice in &mut other.slices {
            shuffle(&mut slice.endpoints, &mut seed);
            shuffle(slice.ports.get_or_insert_default(), &mut seed);
        }
        for spec in other.services.iter_mut().filter_map(|service| service.spec.as_mut()) {
            shuffle(spec.ports.get_or_insert_default(), &mut seed);
        }
        other
    }
}

/// Fisher-Yates with Knuth's linear congruential generator.
fn shuffle<T>(items: &mut [T], seed: &mut u64) {
    for end in (1..items.len()).rev() {
        *seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        items.swap(end, usize::try_from(*seed >> 40).expect("24 bits") % (end + 1));
    }
}

/// Mostly an endpoint's address, sometimes what never is one or no address at all.
fn address() -> impl Strategy<Value = String> {
    prop_oneof![
        8 => (1u8..6).prop_map(|last| format!("10.0.0.{last}")),
        4 => (1u8..4).prop_map(|last| format!("2001:db8::{last}")),
        1 => select(vec!["", "127.0.0.1", "::ffff:10.0.0.1", "169.254.169.254", "example.com", "2001:DB8:0::1", "0.0.0.0"])
            .prop_map(String::from),
        1 => ".{0,12}",
    ]
}

fn condition() -> impl Strategy<Value = Option<bool>> {
    of(any::<bool>())
}

fn endpoint() -> impl Strategy<Value = Endpoint> {
    let conditions = (condition(), condition(), condition())
        .prop_map(|(ready, serving, terminating)| EndpointConditions { ready, serving, terminating });
    let uid = prop_oneof![3 => "[ab][0-9a-f]{7}-0000", 1 => "[a-z-]{0,9}"];
    (vec(address(), 0..3), of(conditions), of(uid), of("eu-[ab]")).prop_map(|(addresses, conditions, uid, zone)| {
        Endpoint {
            addresses,
            conditions,
            target_ref: uid.map(|uid| ObjectReference { uid: Some(uid), ..Default::default() }),
            zone,
            ..Default::default()
        }
    })
}

fn protocol() -> impl Strategy<Value = Option<String>> {
    weighted(0.5, select(vec!["TCP", "TCP", "UDP", "SCTP"]).prop_map(String::from))
}

fn slice_ports() -> impl Strategy<Value = Option<Vec<EndpointPort>>> {
    let port = prop_oneof![8 => 8080..8083i32, 1 => any::<i32>()];
    let ports = subsequence(PORTS.to_vec(), 0..=PORTS.len());
    of((ports, vec((of(port), protocol()), PORTS.len())).prop_map(|(names, rest)| {
        let port = |(name, (port, protocol)): (&str, _)| EndpointPort {
            name: (!name.is_empty()).then(|| name.into()),
            port,
            protocol,
            ..Default::default()
        };
        names.into_iter().zip(rest).map(port).collect()
    }))
}

fn slice() -> impl Strategy<Value = EndpointSlice> {
    let family = prop_oneof![6 => Just("IPv4"), 3 => Just("IPv6"), 1 => Just("FQDN"), 1 => Just("")];
    (of("[a-z]{1,2}"), of(select(SERVICES.to_vec())), family, slice_ports(), vec(endpoint(), 0..6)).prop_map(
        |(name, service, family, ports, endpoints)| EndpointSlice {
            metadata: ObjectMeta {
                name,
                labels: service.map(|name| BTreeMap::from([(labels::SERVICE_NAME.into(), name.into())])),
                ..Default::default()
            },
            address_type: family.into(),
            ports,
            endpoints,
        },
    )
}

fn service_ports() -> impl Strategy<Value = Option<Vec<ServicePort>>> {
    let port = |(number, name, protocol): (i32, &str, Option<String>)| ServicePort {
        name: (!name.is_empty()).then(|| name.into()),
        port: number,
        protocol,
        ..Default::default()
    };
    // Numbers and names are unique in a Service, as the API server sees to.
    of((subsequence(vec![80, 81, 82], 3), Just(PORTS).prop_shuffle(), vec(protocol(), 3), 0..=3usize).prop_map(
        move |(numbers, names, protocols, count)| {
            let ports = numbers.into_iter().zip(names).zip(protocols).take(count);
            ports.map(|((number, name), protocol)| port((number, name, protocol))).collect()
        },
    ))
}

fn service(name: &'static str) -> impl Strategy<Value = Service> {
    let kind = weighted(0.3, select(vec!["ClusterIP", "ExternalName", "LoadBalancer"]).prop_map(String::from));
    let families = of(subsequence(vec!["IPv4".to_owned(), "IPv6".to_owned()], 0..=2).prop_shuffle());
    (service_ports(), kind, families, weighted(0.9, Just(()))).prop_map(move |(ports, type_, ip_families, spec)| {
        Service {
            metadata: ObjectMeta { name: Some(name.into()), ..Default::default() },
            spec: spec.map(|()| ServiceSpec { ports, type_, ip_families, ..Default::default() }),
            ..Default::default()
        }
    })
}

/// Mostly in range.
fn number(range: std::ops::RangeInclusive<i32>) -> impl Strategy<Value = i32> {
    prop_oneof![30 => range, 1 => any::<i32>()]
}

fn port_ref() -> impl Strategy<Value = PortRef> {
    prop_oneof![
        number(80..=82).prop_map(PortRef::Number),
        select(vec!["http", "grpc", "http", "nope"]).prop_map(|name| PortRef::Name(name.into())),
    ]
}

fn backend() -> impl Strategy<Value = Backend> {
    let service = (select(vec!["web", "api", "db", "web", "api", "none", "Weird_"]), port_ref())
        .prop_map(|(name, port)| ServiceRef { name: name.into(), port });
    let listed = (address(), number(1..=65_535), number(0..=1_000_000)).prop_map(|(address, port, weight)| Listed {
        address,
        port,
        weight,
    });
    let source = prop_oneof![
        6 => service.prop_map(|service| (Some(service), None)),
        3 => vec(listed, 1..4).prop_map(|endpoints| (None, Some(endpoints))),
        1 => Just((None, None)),
    ];
    let backup = of(any::<bool>());
    ("[a-z]{3}", source, number(0..=1_000_000), backup)
        .prop_map(|(name, (service, endpoints), weight, backup)| Backend { name, service, endpoints, weight, backup })
}

/// Often what goes together, sometimes not.
fn balancing() -> impl Strategy<Value = LoadBalancing> {
    let algorithm = select(vec![Algorithm::RoundRobin, Algorithm::Score, Algorithm::ConsistentHash]);
    let types = select(vec![HashType::SourceIp, HashType::Path, HashType::Header]);
    let hash = (types, of("[A-Za-z_-]{1,9}"), of(number(101..=1000))).prop_map(|(type_, name, max_load_percent)| {
        let header = name.map(|name| HashHeader { name });
        ConsistentHash { type_, header, cookie: None, query_parameter: None, table: None, max_load_percent }
    });
    let score = (number(0..=50), number(0..=50)).prop_map(|(load, latency)| Score {
        load,
        latency,
        errors: 100_i32.saturating_sub(load).saturating_sub(latency),
        distance: 0,
    });
    let window = of("[0-9]{1,2}(s|ms|m)".prop_map(GepDuration));
    let slow_start = (window, of(number(1..=100))).prop_map(|(window, min_percent)| SlowStart { window, min_percent });
    let zone_aware = of(number(50..=100))
        .prop_map(|spill_over_percent| ZoneAware { mode: ZoneMode::PreferLocal, spill_over_percent });
    (of(algorithm), of(hash), weighted(0.2, score), of(slow_start), weighted(0.2, zone_aware)).prop_map(
        |(algorithm, consistent_hash, score, slow_start, zone_aware)| LoadBalancing {
            algorithm,
            consistent_hash,
            score,
            slow_start,
            zone_aware,
        },
    )
}

fn pool() -> impl Strategy<Value = BalancerPool> {
    let duration = || of(prop_oneof![4 => "[1-9][0-9]?(s|ms)", 1 => ".{0,6}"].prop_map(GepDuration));
    let timeouts = of((duration(), duration()).prop_map(|(connect, response_header)| Timeouts {
        connect,
        response_header,
        ..Timeouts::default()
    }));
    let name = || prop_oneof![9 => "[a-z]{1,9}", 1 => ".{0,60}"];
    let settings = (timeouts, weighted(0.5, balancing()));
    ((name(), of(name())), number(1..=9000), vec(backend(), 1..4), settings, any::<i64>()).prop_map(
        |((name, namespace), port, backends, (timeouts, load_balancing), generation)| {
            let listener = Listener { port, trusted_peers: None };
            let spec = BalancerPoolSpec {
                protocol: None,
                listener,
                proxy: None,
                backends,
                load_balancing,
                timeouts,
                limits: None,
                retry: None,
                connection_pool: None,
                headers: None,
                access_log: None,
            };
            let mut pool = BalancerPool::new(&name, spec);
            pool.metadata.generation = Some(generation);
            pool.metadata.namespace = namespace;
            pool
        },
    )
}

fn world() -> impl Strategy<Value = World> {
    let services = (of(service("web")), of(service("api")), of(service("db")))
        .prop_map(|(web, api, db)| [web, api, db].into_iter().flatten().collect());
    let proxy = ("[ab]{1,2}", "(eu-[ab])?").prop_map(|(name, zone)| FleetProxy { name, zone });
    (pool(), services, vec(slice(), 0..6), vec(proxy, 0..4)).prop_map(|(pool, services, slices, proxies)| World {
        pool,
        services,
        slices,
        proxies,
    })
}

/// A proxy would take the table, and gets what was written.
fn good(table: &RoutingTable) -> Result<(), TestCaseError> {
    prop_assert_eq!(table.check(Scope::Cluster), Ok(()));
    let parts = Parts::encode(table).expect("small enough");
    let mut unknown = Vec::new();
    prop_assert_eq!(&parts.decode(&mut |field| unknown.push(field)).expect("readable"), table);
    prop_assert_eq!(unknown, Vec::<String>::new());
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn the_order_of_a_clusters_lists_means_nothing(world in world(), seed: u64) {
        prop_assert_eq!(world.shuffled(seed).translate(None, NOW), world.translate(None, NOW));
    }

    #[test]
    fn every_table_is_good_for_a_proxy(before in world(), after in world()) {
        let published = before.translate(None, NOW).table;
        published.as_ref().map_or(Ok(()), good)?;
        let translation = after.translate(published.as_ref(), NOW + 1);
        translation.table.as_ref().map_or(Ok(()), good)?;
        prop_assert!(translation.table.is_some() || !translation.is_accepted());
        prop_assert!(translation.table.is_some() || published.is_none(), "a good table became none");
    }

    #[test]
    fn counts_agree_with_the_rows(world in world()) {
        let Translation { table, endpoints, .. } = world.translate(None, NOW);
        let rows = || table.iter().flat_map(|table| table.endpoints.backends.values().flatten());
        let ready = rows().filter(|row| row.state == EndpointState::Ready).count();
        prop_assert_eq!(usize::try_from(endpoints.ready).expect("a count"), ready);
        prop_assert!(usize::try_from(endpoints.total).expect("a count") >= rows().count());
    }

    #[test]
    fn what_is_published_again_does_not_change(world in world()) {
        let first = world.translate(None, NOW).table;
        prop_assert_eq!(&world.translate(first.as_ref(), NOW + 60).table, &first);
    }

    #[test]
    fn an_endpoint_is_ready_since_it_was_first_seen_so(before in world(), mut after in world()) {
        after.pool = before.pool.clone();
        let Some(published) = before.translate(None, NOW).table else { return Ok(()) };
        let then = NOW + 60;
        let Some(table) = after.translate(Some(&published), then).table else { return Ok(()) };
        for (name, row) in table.endpoints.backends.iter().flat_map(|(name, rows)| rows.iter().map(move |row| (name, row))) {
            let was = published.endpoints.backends[name].iter().find(|old| old.identity() == row.identity());
            let expected = match (row.state, was.map(|old| old.state)) {
                (EndpointState::Ready, None | Some(EndpointState::Draining)) => then,
                (EndpointState::Ready, Some(EndpointState::Ready)) | (EndpointState::Draining, _) => 0,
            };
            prop_assert_eq!(row.since, expected);
        }
    }
}
