//! How large tables become, and how long they take.

use std::{fmt::Write as _, time::Instant};

use evenkeel_crds::{
    BalancerPool,
    address::Scope,
    table::{Parts, TableError},
    translate::{Inputs, translate},
};
use k8s_openapi::api::{core::v1::Service, discovery::v1::EndpointSlice};
use serde_json::json;

use crate::{load, row, table};

#[test]
fn an_encoded_table_is_as_small_as_designed() {
    let mut told = String::new();
    for (endpoints, at_most_kib) in [(400, 32), (5_000, 80), (40_000, 620)] {
        let table = table(endpoints);
        let begin = Instant::now();
        let parts = Parts::encode(&table).expect("fits");
        let (bytes, took) = (parts.bytes(), begin.elapsed());
        let _ = write!(told, "{endpoints} endpoints: {bytes} bytes, encoded in {took:.1?}; ");
        assert!(bytes <= at_most_kib << 10, "{told}");
        assert_eq!(parts.binary_data.is_empty(), endpoints < 500, "{told}");
        assert_eq!(load(&parts).expect("loads").0, table);
    }
    println!("{told}");
}

#[test]
fn a_table_that_does_not_fit_is_an_error_with_its_size() {
    let error = Parts::encode(&table(100_000)).expect_err("too large");
    assert!(matches!(error, TableError::TooLarge { bytes, .. } if bytes > 800 << 10), "{error}");
    assert!(!error.is_too_new());
}

#[test]
fn five_thousand_endpoints_are_translated_while_nobody_waits() {
    let pool: BalancerPool = serde_json::from_value(json!({
        "apiVersion": "evenkeel.dev/v1alpha1", "kind": "BalancerPool", "metadata": { "name": "web", "namespace": "shop" },
        "spec": { "listener": { "port": 80 }, "backends": [{ "name": "main", "service": { "name": "web", "port": 80 } }] },
    }))
    .unwrap();
    let service: Service = serde_json::from_value(json!({
        "metadata": { "name": "web" }, "spec": { "ports": [{ "name": "http", "port": 80 }] },
    }))
    .unwrap();
    let endpoint = |index: u32| {
        let row = row(index);
        json!({ "addresses": [row.address], "zone": row.zone, "targetRef": { "uid": format!("{}-0000", row.pod) } })
    };
    let slice = |index: u32| -> EndpointSlice {
        serde_json::from_value(json!({
            "metadata": { "name": format!("web-{index}"), "labels": { "kubernetes.io/service-name": "web" } },
            "addressType": "IPv4", "ports": [{ "name": "http", "port": 8080 }],
            "endpoints": (index * 100..index * 100 + 100).map(endpoint).collect::<Vec<_>>(),
        }))
        .unwrap()
    };
    let slices: Vec<_> = (0..50).map(slice).collect();
    let slices: Vec<_> = slices.iter().collect();
    let published = table(5_000);
    let begin = Instant::now();
    let translation = translate(&Inputs {
        pool: &pool,
        services: &[&service],
        slices: &slices,
        proxies: &[],
        published: Some(&published),
        now: 1_700_000_000,
        scope: Scope::Cluster,
    });
    let translated = begin.elapsed();
    let parts = Parts::encode(translation.table.as_ref().expect("a table")).expect("fits");
    println!("5000 endpoints: translated in {translated:.1?}, with encoding in {:.1?}", begin.elapsed());
    assert_eq!(translation.endpoints.ready, 5_000);
    assert!(begin.elapsed().as_secs() < 5 && parts.bytes() < 80 << 10);
}
