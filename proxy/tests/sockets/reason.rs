//! Clients are told why an answer is not an endpoint's, unless the pool says otherwise.

use crate::endpoint::nobody;
use crate::pool::Pool;
use crate::proxy::Proxy;
use crate::wire::{GET, field, status};

/// What is refused by whom, and how clients are told.
const CASES: [(&str, u16, &str); 3] =
    [(GET, 502, "UF"), ("GET / HTTP/1.1\r\n\r\n", 400, "DPE"), ("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400, "DPE")];

#[tokio::test]
async fn a_reason_is_told_unless_the_pool_removes_it() {
    let told = Pool::of(&[nobody().await]);
    let untold = Pool { extra: "  headers: {response: {remove: [Evenkeel-Reason]}}\n", ..told.clone() };
    for (pool, is_told) in [(&told, true), (&untold, false)] {
        let proxy = Proxy::start(pool).await;
        for (request, expected, reason) in CASES {
            let mut client = proxy.connect().await;
            client.send(request).await;
            let (head, body) = client.answer().await;
            assert_eq!(status(&head), expected, "{request}");
            assert_eq!(field(&head, "evenkeel-reason"), is_told.then_some(reason), "{request}");
            assert!(body.starts_with(&format!("{expected} {reason}: ")), "{body}");
        }
        assert_eq!((proxy.failures("UF").await, proxy.failures("DPE").await), (1, 2), "counted all the same");
    }
}
