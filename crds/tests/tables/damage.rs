//! Tables that are none: missing keys, wrong types, broken gzip.

use std::time::Instant;

use evenkeel_crds::table::{ENDPOINTS_KEY, FLEET_KEY, MAX_UNPACKED_BYTES, POLICY_KEY, Parts, TableError};
use k8s_openapi::api::core::v1::ConfigMap;
use serde_json::json;

use crate::{gzip, is_malformed, load, table, with, with_gzip, with_text};

#[test]
fn missing_keys_are_named() {
    for key in [POLICY_KEY, ENDPOINTS_KEY] {
        let mut parts = Parts::encode(&table(2)).unwrap();
        parts.data.remove(key);
        assert_eq!(load(&parts).expect_err("refused"), TableError::Missing(key));
    }
    let mut parts = Parts::encode(&table(2)).unwrap();
    parts.data.remove(FLEET_KEY);
    assert!(load(&parts).expect("no fleet is an empty one").0.fleet.proxies.is_empty());
    assert_eq!(load(&Parts::of(&ConfigMap::default())).expect_err("refused"), TableError::Missing(POLICY_KEY));
}

#[test]
fn what_is_no_table_is_an_error_of_one_line() {
    let deep = "[".repeat(100_000);
    for key in [POLICY_KEY, ENDPOINTS_KEY, FLEET_KEY] {
        for text in ["", " ", "null", "[]", "7", "\"x\"", "{", "{}x", "\u{feff}{}", &deep, "{\"proxies\":1e999}"] {
            if (key, text) != (FLEET_KEY, "[]") {
                is_malformed(&with_text(key, text), key);
            }
        }
        let good = Parts::encode(&table(2)).unwrap().data[key].clone();
        for garbage in ["x", "{}", "\0", "]"] {
            is_malformed(&with_text(key, &format!("{good}{garbage}")), key);
        }
        load(&with_text(key, &format!(" {good}\n"))).expect("white space around it is none");
        for cut in 0..good.len() {
            is_malformed(&with_text(key, &good[..cut]), key);
        }
    }
}

#[test]
fn rows_of_wrong_types_are_refused() {
    for row in [
        json!(null),
        json!({}),
        json!([]),
        json!(["10.0.0.1"]),
        json!(["10.0.0.1", 80, 1, "", "r", 0]),
        json!(["example.com", 80, 1, "", "r", 0, ""]),
        json!([7, 80, 1, "", "r", 0, ""]),
        json!(["10.0.0.1", 65_536, 1, "", "r", 0, ""]),
        json!(["10.0.0.1", -1, 1, "", "r", 0, ""]),
        json!(["10.0.0.1", 80, -1, "", "r", 0, ""]),
        json!(["10.0.0.1", 80, 1.5, "", "r", 0, ""]),
        json!(["10.0.0.1", 80, 1, null, "r", 0, ""]),
        json!(["10.0.0.1", 80, 1, "", "x", 0, ""]),
        json!(["10.0.0.1", 80, 1, "", "R", 0, ""]),
        json!(["10.0.0.1", 80, 1, "", "r", "0", ""]),
        json!(["10.0.0.1", 80, 1, "", "r", 0, 1]),
        json!(["fe80::1%1", 80, 1, "", "r", 0, ""]),
    ] {
        is_malformed(&with(ENDPOINTS_KEY, |rows| rows["backends"]["main"] = json!([row])), ENDPOINTS_KEY);
    }
}

#[test]
fn damaged_gzip_is_refused() {
    let json = serde_json::to_vec(&table(2).endpoints).unwrap();
    let good = gzip(&json);
    load(&with_gzip(good.clone())).expect("packed");
    for cut in 0..good.len() {
        is_malformed(&with_gzip(good[..cut].to_vec()), ENDPOINTS_KEY);
    }
    let mut flipped = good.clone();
    let crc = flipped.len() - 6;
    flipped[crc] ^= 1;
    is_malformed(&with_gzip(flipped), ENDPOINTS_KEY);
    is_malformed(&with_gzip(json), ENDPOINTS_KEY);
    for garbage in [&b"x"[..], &good] {
        is_malformed(&with_gzip([&good, garbage].concat()), ENDPOINTS_KEY);
    }
}

#[test]
fn a_gzip_bomb_is_refused_before_it_unpacks() {
    let spaces = vec![b' '; MAX_UNPACKED_BYTES + 1];
    let bomb = gzip(&spaces);
    assert!(bomb.len() < 100_000, "fits into a ConfigMap: {}", bomb.len());
    let begin = Instant::now();
    is_malformed(&with_gzip(bomb), ENDPOINTS_KEY);
    assert!(begin.elapsed().as_secs() < 10, "{:?}", begin.elapsed());
}
