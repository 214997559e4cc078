//! Every bound of every field of the spec, from both sides: what `kubectl apply` refuses, `translate` refuses too.

mod balancing;

use evenkeel_crds::{
    BalancerPool,
    address::Scope,
    api::{
        AccessLog, AccessLogMode, Backend, BalancerPoolSpec, ByteSize, ConnectionPool, Endpoint, GepDuration,
        HeaderField, HeaderFilter, HeaderName, Headers, Limits, Listener, NetworkText, PortRef, Proxy, ProxyMode,
        Retry, RetryBudget, RetryCode, ServiceRef, Timeouts,
    },
    translate::{Inputs, Problem, ProblemKind, translate},
};

fn service(name: &str, port: PortRef) -> Backend {
    Backend {
        name: "main".into(),
        service: Some(ServiceRef { name: name.into(), port }),
        endpoints: None,
        weight: 1,
        backup: None,
    }
}

fn endpoint(address: &str) -> Endpoint {
    Endpoint { address: address.into(), port: 80, weight: 1 }
}

fn listed(endpoints: Vec<Endpoint>) -> Backend {
    Backend { name: "metal".into(), service: None, endpoints: Some(endpoints), weight: 1, backup: None }
}

/// A pool of two backends, a Service and a list of one endpoint.
fn pool() -> BalancerPool {
    let spec = BalancerPoolSpec {
        protocol: None,
        listener: Listener { port: 8080, trusted_peers: None },
        proxy: None,
        backends: vec![service("web", PortRef::Number(80)), listed(vec![endpoint("192.0.2.1")])],
        load_balancing: None,
        timeouts: None,
        limits: None,
        retry: None,
        connection_pool: None,
        headers: None,
        access_log: None,
    };
    BalancerPool::new("web", spec)
}

/// What is wrong with the spec; a Service that is not there is another matter.
fn invalid(pool: &BalancerPool, scope: Scope) -> Vec<Problem> {
    let inputs = Inputs { pool, services: &[], slices: &[], proxies: &[], published: None, now: 0, scope };
    translate(&inputs).problems.into_iter().filter(|problem| problem.kind == ProblemKind::Invalid).collect()
}

#[track_caller]
fn accepts(what: &str, change: impl FnOnce(&mut BalancerPool)) {
    let mut pool = pool();
    change(&mut pool);
    assert_eq!(invalid(&pool, Scope::Cluster), [], "{what}");
}

/// The one problem is with that field, and its message goes on from what is wrong to what to do.
#[track_caller]
fn refuses(what: &str, field: &str, change: impl FnOnce(&mut BalancerPool)) {
    let mut pool = pool();
    change(&mut pool);
    let problems = invalid(&pool, Scope::Cluster);
    let fields: Vec<_> = problems.iter().map(|problem| problem.field.as_str()).collect();
    assert_eq!(fields, [field], "{what}: {problems:?}");
    let fixes = ["choose ", "give ", "write ", "remove ", "split ", "name the Service of your application", "list "];
    let (_, fix) = problems[0].message.split_once("; ").unwrap_or_default();
    assert!(fixes.iter().any(|start| fix.starts_with(start)), "no fix: {}", problems[0]);
}

#[test]
fn names_of_pools() {
    for name in ["a".into(), "0-a".into(), "a".repeat(50), "operators".into()] {
        accepts(&name, |pool| pool.metadata.name = Some(name.clone()));
    }
    for name in ["", "a.b", "A", "-a", "a-", "a_b", "ä", &"a".repeat(51), "operator"] {
        refuses(name, "metadata.name", |pool| pool.metadata.name = Some(name.into()));
    }
    refuses("no name", "metadata.name", |pool| pool.metadata.name = None);
}

#[test]
fn namespaces() {
    accepts("none is default", |pool| pool.metadata.namespace = None);
    accepts("the longest", |pool| pool.metadata.namespace = Some("a".repeat(63)));
    for name in ["", "a/b", "A", &"a".repeat(64)] {
        refuses(name, "metadata.namespace", |pool| pool.metadata.namespace = Some(name.into()));
    }
}

#[test]
fn ports() {
    for port in [1, 80, 1023, 1024, 9439, 9441, 65_535] {
        accepts(&port.to_string(), |pool| pool.spec.listener.port = port);
        accepts(&port.to_string(), |pool| pool.spec.backends[0] = service("web", PortRef::Number(port)));
        accepts(&port.to_string(), |pool| pool.spec.backends[1].endpoints.as_mut().unwrap()[0].port = port);
    }
    for port in [i32::MIN, -1, 0, 65_536, 65_537, i32::MAX] {
        refuses(&port.to_string(), "spec.listener.port", |pool| pool.spec.listener.port = port);
        refuses(&port.to_string(), "spec.backends[0].service.port", |pool| {
            pool.spec.backends[0] = service("web", PortRef::Number(port));
        });
        refuses(&port.to_string(), "spec.backends[1].endpoints[0].port", |pool| {
            pool.spec.backends[1].endpoints.as_mut().unwrap()[0].port = port;
        });
    }
    refuses("admin port", "spec.listener.port", |pool| pool.spec.listener.port = 9440);
    accepts("an endpoint may have it", |pool| pool.spec.backends[1].endpoints.as_mut().unwrap()[0].port = 9440);
}

#[test]
fn names_of_ports() {
    for name in ["http", "8080", "a".repeat(63).as_str()] {
        accepts(name, |pool| pool.spec.backends[0] = service("web", PortRef::Name(name.into())));
    }
    for name in ["", "HTTP", "a.b", "a".repeat(64).as_str()] {
        refuses(name, "spec.backends[0].service.port", |pool| {
            pool.spec.backends[0] = service("web", PortRef::Name(name.into()));
        });
    }
}

#[test]
fn names_of_services() {
    for name in ["a", "0", "evenkeel-webs", "a".repeat(63).as_str()] {
        accepts(name, |pool| pool.spec.backends[0] = service(name, PortRef::Number(80)));
    }
    for name in ["", "A", "a.b", "-a", "a".repeat(64).as_str(), "evenkeel-web"] {
        refuses(name, "spec.backends[0].service.name", |pool| {
            pool.spec.backends[0] = service(name, PortRef::Number(80));
        });
    }
}

#[test]
fn names_of_backends() {
    for name in ["a", "0", "a".repeat(63).as_str()] {
        accepts(name, |pool| pool.spec.backends[0].name = name.into());
    }
    for name in ["", "A", "a.b", "a-", "a".repeat(64).as_str(), "metal"] {
        let index = usize::from(name == "metal"); // the second of that name is wrong, not the first
        refuses(name, &format!("spec.backends[{index}].name"), |pool| pool.spec.backends[0].name = name.into());
    }
}

#[test]
fn weights() {
    for weight in [0, 1, 1_000_000] {
        accepts(&weight.to_string(), |pool| pool.spec.backends[0].weight = weight);
        accepts(&weight.to_string(), |pool| pool.spec.backends[1].endpoints.as_mut().unwrap()[0].weight = weight);
    }
    for weight in [i32::MIN, -1, 1_000_001, i32::MAX] {
        refuses(&weight.to_string(), "spec.backends[0].weight", |pool| pool.spec.backends[0].weight = weight);
        refuses(&weight.to_string(), "spec.backends[1].endpoints[0].weight", |pool| {
            pool.spec.backends[1].endpoints.as_mut().unwrap()[0].weight = weight;
        });
    }
    refuses("all are 0", "spec.backends", |pool| pool.spec.backends.iter_mut().for_each(|backend| backend.weight = 0));
}

#[test]
fn numbers_of_backends() {
    let backends = |count: usize| {
        (0..count).map(|index| Backend { name: format!("b{index}"), ..service("web", PortRef::Number(80)) }).collect()
    };
    for count in [1, 64] {
        accepts(&count.to_string(), |pool| pool.spec.backends = backends(count));
    }
    for count in [0, 65] {
        refuses(&count.to_string(), "spec.backends", |pool| pool.spec.backends = backends(count));
    }
}

#[test]
fn numbers_of_endpoints() {
    let endpoints = |count: usize| (0..count).map(|index| endpoint(&format!("10.0.{}.{}", index / 100, index % 100)));
    for count in [1, 256] {
        accepts(&count.to_string(), |pool| pool.spec.backends[1] = listed(endpoints(count).collect()));
    }
    for count in [0, 257] {
        refuses(&count.to_string(), "spec.backends[1].endpoints", |pool| {
            pool.spec.backends[1] = listed(endpoints(count).collect());
        });
    }
}

#[test]
fn a_backend_is_one_of_service_and_endpoints() {
    refuses("neither", "spec.backends[0]", |pool| pool.spec.backends[0].service = None);
    refuses("both", "spec.backends[0]", |pool| pool.spec.backends[0].endpoints = Some(vec![endpoint("192.0.2.9")]));
}

#[test]
fn addresses() {
    for address in ["10.0.0.1", "2001:db8::1", "2001:DB8:0:0:0:0:0:1", "fd00::1"] {
        accepts(address, |pool| pool.spec.backends[1] = listed(vec![endpoint(address)]));
    }
    for address in [
        "",
        "example.com",
        "10.0.0",
        "010.0.0.1",
        "10.0.0.1:80",
        "[2001:db8::1]",
        "fe80::1%eth0",
        " 10.0.0.1",
        "10.0.0.0/8",
        "::ffff:10.0.0.1",
        "127.0.0.1",
        "::1",
        "169.254.169.254",
        "0.0.0.0",
        "::",
        "224.0.0.1",
        "fd00:ec2::254",
    ] {
        refuses(address, "spec.backends[1].endpoints[0].address", |pool| {
            pool.spec.backends[1] = listed(vec![endpoint(address)]);
        });
    }
}

#[test]
fn an_endpoint_stands_in_a_list_once_however_it_is_written() {
    for (one, other) in [("10.0.0.1", "10.0.0.1"), ("2001:db8::1", "2001:DB8:0::1")] {
        refuses(other, "spec.backends[1].endpoints[1]", |pool| {
            pool.spec.backends[1] = listed(vec![endpoint(one), endpoint(other)]);
        });
    }
    accepts("another port", |pool| {
        pool.spec.backends[1] = listed(vec![endpoint("10.0.0.1"), Endpoint { port: 81, ..endpoint("10.0.0.1") }]);
    });
    accepts("another backend", |pool| {
        pool.spec.backends[0] = Backend { name: "main".into(), ..listed(vec![endpoint("192.0.2.1")]) };
    });
}

#[test]
fn timeouts() {
    let set = |field: &str, text: &str| {
        let given = Some(GepDuration(text.into()));
        let none = Timeouts::default();
        let timeouts = match field {
            "connect" => Timeouts { connect: given, ..none },
            "responseHeader" => Timeouts { response_header: given, ..none },
            "backendRequest" => Timeouts { backend_request: given, ..none },
            "request" => Timeouts { request: given, ..none },
            "clientIdle" => Timeouts { client_idle: given, ..none },
            _ => Timeouts { stream_idle: given, ..none },
        };
        move |pool: &mut BalancerPool| pool.spec.timeouts = Some(timeouts)
    };
    for field in ["connect", "responseHeader", "backendRequest", "request", "clientIdle", "streamIdle"] {
        for text in ["1ms", "2s", "1h", "60m", "59m60s", "3600s"] {
            accepts(text, set(field, text));
        }
        for text in ["", "0s", "0ms", "1h1ms", "2h", "1d", "5", "1.5s", "-1s", "100000ms", "1s1s1s1s1s", "99999h99999h"]
        {
            refuses(text, &format!("spec.timeouts.{field}"), set(field, text));
        }
    }
}

#[test]
fn retries() {
    let set = |retry: Retry| move |pool: &mut BalancerPool| pool.spec.retry = Some(retry);
    let codes =
        |codes: &[i32]| set(Retry { codes: Some(codes.iter().copied().map(RetryCode).collect()), ..Retry::default() });
    let budget = |budget: RetryBudget| set(Retry { budget: Some(budget), ..Retry::default() });
    let interval =
        |text: &str| budget(RetryBudget { interval: Some(GepDuration(text.into())), ..RetryBudget::default() });
    let backoff = |text: &str| set(Retry { backoff: Some(GepDuration(text.into())), ..Retry::default() });
    accepts("nothing", set(Retry::default()));
    for count in [0, 1, 10] {
        accepts("attempts", set(Retry { attempts: Some(count), ..Retry::default() }));
    }
    for count in [-1, 11, 256] {
        refuses("attempts", "spec.retry.attempts", set(Retry { attempts: Some(count), ..Retry::default() }));
    }
    accepts("codes", codes(&[]));
    accepts("codes", codes(&[599, 429, 500]));
    accepts("codes", codes(&(500..532).collect::<Vec<_>>()));
    refuses("codes", "spec.retry.codes", codes(&(500..533).collect::<Vec<_>>()));
    refuses("codes", "spec.retry.codes[1]", codes(&[503, 503]));
    for code in [-1, 0, 200, 404, 428, 430, 499, 600, 66_036] {
        refuses("codes", "spec.retry.codes[0]", codes(&[code]));
    }
    for text in ["1ms", "25ms", "250ms"] {
        accepts(text, backoff(text));
    }
    for text in ["", "0s", "251ms", "1s", "25"] {
        refuses(text, "spec.retry.backoff", backoff(text));
    }
    for percent in [0, 20, 100] {
        accepts("percent", budget(RetryBudget { percent: Some(percent), ..RetryBudget::default() }));
    }
    for percent in [-1, 101] {
        let given = RetryBudget { percent: Some(percent), ..RetryBudget::default() };
        refuses("percent", "spec.retry.budget.percent", budget(given));
    }
    for text in ["1s", "10s", "1m", "2000ms"] {
        accepts(text, interval(text));
    }
    for text in ["", "0s", "999ms", "1500ms", "10s1ms", "60001ms", "1h"] {
        refuses(text, "spec.retry.budget.interval", interval(text));
    }
}

#[test]
fn connection_pools() {
    let set = |pool: ConnectionPool| move |to: &mut BalancerPool| to.spec.connection_pool = Some(pool);
    let idle = |count| set(ConnectionPool { max_idle_per_endpoint: Some(count), ..ConnectionPool::default() });
    let requests =
        |count| set(ConnectionPool { max_requests_per_connection: Some(count), ..ConnectionPool::default() });
    let timeout =
        |text: &str| set(ConnectionPool { idle_timeout: Some(GepDuration(text.into())), ..ConnectionPool::default() });
    accepts("nothing", set(ConnectionPool::default()));
    for count in [1, 1000] {
        accepts("idle", idle(count));
    }
    for count in [-1, 0, 1001] {
        refuses("idle", "spec.connectionPool.maxIdlePerEndpoint", idle(count));
    }
    for count in [1, 1_000_000] {
        accepts("requests", requests(count));
    }
    for count in [i32::MIN, 0, 1_000_001] {
        refuses("requests", "spec.connectionPool.maxRequestsPerConnection", requests(count));
    }
    for text in ["1ms", "4s", "1h"] {
        accepts(text, timeout(text));
    }
    for text in ["", "0s", "1h1ms", "4"] {
        refuses(text, "spec.connectionPool.idleTimeout", timeout(text));
    }
}

#[test]
fn access_logs() {
    let set = |mode, sample_percent| {
        move |to: &mut BalancerPool| to.spec.access_log = Some(AccessLog { mode, sample_percent })
    };
    let sampled = Some(AccessLogMode::Sampled);
    for mode in [None, Some(AccessLogMode::Off), Some(AccessLogMode::Errors), sampled, Some(AccessLogMode::All)] {
        accepts("a mode", set(mode, None));
    }
    for percent in [1, 100] {
        accepts("a percentage", set(sampled, Some(percent)));
    }
    for percent in [-1, 0, 101] {
        refuses("a percentage", "spec.accessLog.samplePercent", set(sampled, Some(percent)));
    }
    refuses("nothing is sampled", "spec.accessLog.samplePercent", set(Some(AccessLogMode::All), Some(1)));
}

#[test]
fn sizes_of_bodies() {
    let set = |text: &str| {
        let limits = Limits { request_body: Some(ByteSize(text.into())) };
        move |pool: &mut BalancerPool| pool.spec.limits = Some(limits)
    };
    for text in ["1", "512", "64Ki", "1Mi", "10M", "1T", "1Ti", "1024Gi"] {
        accepts(text, set(text));
    }
    for text in ["", "0", "0Mi", "-1", "1.5Mi", "1 Mi", "1K", "1Pi", "2Ti", "1025Gi", "12345678901"] {
        refuses(text, "spec.limits.requestBody", set(text));
    }
}

#[test]
fn trusted_peers() {
    let set = |networks: Vec<String>| {
        move |pool: &mut BalancerPool| {
            pool.spec.listener.trusted_peers = Some(networks.into_iter().map(NetworkText).collect());
        }
    };
    let many = |count: usize| (0..count).map(|number| format!("10.{number}.0.0/16")).collect::<Vec<_>>();
    accepts("none", set(Vec::new()));
    accepts("64", set(many(64)));
    refuses("65", "spec.listener.trustedPeers", set(many(65)));
    for network in ["10.0.0.0/8", "192.0.2.7/32", "0.0.0.0/0", "2001:db8::/32", "::/0"] {
        accepts(network, set(vec![network.into()]));
    }
    for network in ["", "10.0.0.1", "10.0.0.1/8", "10.0.0.0/33", "2001:db8::1/64", "::ffff:10.0.0.0/104", "web/8"] {
        refuses(network, "spec.listener.trustedPeers[0]", set(vec![network.into()]));
    }
    refuses("twice", "spec.listener.trustedPeers[1]", set(vec!["10.0.0.0/8".into(), "10.0.0.0/8".into()]));
}

/// As request and as response, to set, to add and to remove.
fn in_every_list(name: &str, value: &str) -> Vec<(String, Headers)> {
    let name = HeaderName(name.into());
    let field = vec![HeaderField { name: name.clone(), value: value.into() }];
    let lists = [
        ("set[0].name", HeaderFilter { set: Some(field.clone()), ..HeaderFilter::default() }),
        ("add[0].name", HeaderFilter { add: Some(field), ..HeaderFilter::default() }),
        ("remove[0]", HeaderFilter { remove: Some(vec![name]), ..HeaderFilter::default() }),
    ];
    let request = |filter: &HeaderFilter| Headers { request: Some(filter.clone()), response: None };
    let response = |filter: &HeaderFilter| Headers { request: None, response: Some(filter.clone()) };
    let places = lists.iter().flat_map(|(list, filter)| {
        [
            (format!("spec.headers.request.{list}"), request(filter)),
            (format!("spec.headers.response.{list}"), response(filter)),
        ]
    });
    places.collect()
}

#[test]
fn names_of_changed_fields() {
    for name in ["x", "X-Env", "set-cookie", "x_env", "~!#$%&'*+-.^`|", "x-forwarded", "a".repeat(256).as_str()] {
        for (_, headers) in in_every_list(name, "1") {
            accepts(name, |pool| pool.spec.headers = Some(headers));
        }
    }
    let reserved = [
        "Host",
        "content-length",
        "Transfer-Encoding",
        "connection",
        "Keep-Alive",
        "proxy-connection",
        "TE",
        "trailer",
        "upgrade",
        "http2-settings",
        "expect",
        "max-forwards",
        "Forwarded",
        "X-Forwarded-For",
        "x-forwarded-anything",
        "x-real-ip",
        "x-request-id",
    ];
    for name in reserved.into_iter().chain(["", "a b", "a:", "\u{e4}", "a\n", "a".repeat(257).as_str()]) {
        for (field, headers) in in_every_list(name, "1") {
            refuses(name, &field, |pool| pool.spec.headers = Some(headers));
        }
    }
    for (field, headers) in in_every_list("Evenkeel-Reason", "1") {
        let change = |pool: &mut BalancerPool| pool.spec.headers = Some(headers);
        if field.contains("remove") {
            accepts("the reason, to remove it", change);
        } else {
            refuses("the reason, to write it", &field, change);
        }
    }
}

#[test]
fn values_of_changed_fields() {
    for value in ["1", "a b\tc", "!~", "a".repeat(4096).as_str()] {
        for (_, headers) in in_every_list("x", value) {
            accepts(value, |pool| pool.spec.headers = Some(headers));
        }
    }
    for value in ["", " a", "a ", "a\r\nb: c", "\u{e4}", "\u{7f}", "a".repeat(4097).as_str()] {
        for (field, headers) in in_every_list("x", value) {
            if let Some(field) = field.strip_suffix("name") {
                refuses(value, &format!("{field}value"), |pool| pool.spec.headers = Some(headers));
            }
        }
    }
}

#[test]
fn numbers_of_changed_fields() {
    let set = |count: usize| {
        let field = |number| HeaderField { name: HeaderName(format!("x-{number}")), value: "1".into() };
        let filter = HeaderFilter { set: Some((0..count).map(field).collect()), ..HeaderFilter::default() };
        move |pool: &mut BalancerPool| pool.spec.headers = Some(Headers { request: Some(filter), response: None })
    };
    accepts("16", set(16));
    refuses("17", "spec.headers.request.set", set(17));
    let twice = Some(vec![HeaderName("x-a".into()), HeaderName("X-A".into())]);
    refuses("twice", "spec.headers.response.remove[1]", |pool| {
        let filter = HeaderFilter { remove: twice, ..HeaderFilter::default() };
        pool.spec.headers = Some(Headers { request: None, response: Some(filter) });
    });
}

#[test]
fn replicas() {
    let set = |mode, replicas| move |pool: &mut BalancerPool| pool.spec.proxy = Some(Proxy { mode, replicas });
    for replicas in [0, 1, 1000] {
        accepts(&replicas.to_string(), set(None, Some(replicas)));
        accepts(&replicas.to_string(), set(Some(ProxyMode::Deployment), Some(replicas)));
    }
    for replicas in [i32::MIN, -1, 1001, i32::MAX] {
        refuses(&replicas.to_string(), "spec.proxy.replicas", set(None, Some(replicas)));
    }
    accepts("somebody else's", set(Some(ProxyMode::External), None));
    refuses("somebody else's", "spec.proxy.replicas", set(Some(ProxyMode::External), Some(1)));
    accepts("one a pod", set(Some(ProxyMode::Sidecar), None));
    refuses("one a pod", "spec.proxy.replicas", set(Some(ProxyMode::Sidecar), Some(1)));
}

#[test]
fn ports_of_sidecars() {
    let set = |mode, port| {
        move |pool: &mut BalancerPool| {
            pool.spec.proxy = Some(Proxy { mode: Some(mode), replicas: None });
            pool.spec.listener.port = port;
        }
    };
    for port in [1024, 8080, 65_535] {
        accepts(&port.to_string(), set(ProxyMode::Sidecar, port));
    }
    for port in [0, 1, 80, 1023, 9440, 65_536] {
        refuses(&port.to_string(), "spec.listener.port", set(ProxyMode::Sidecar, port));
    }
    for mode in [ProxyMode::Deployment, ProxyMode::External] {
        accepts("the Service, or somebody else, moves it", set(mode, 80));
    }
}

#[test]
fn a_file_has_no_services_but_may_list_loopback() {
    let mut pool = pool();
    pool.spec.backends[1] = listed(vec![endpoint("127.0.0.1"), endpoint("::1")]);
    let fields: Vec<_> = invalid(&pool, Scope::Machine).into_iter().map(|problem| problem.field).collect();
    assert_eq!(fields, ["spec.backends[0].service"]);
}
