//! What kubectl shows of a pool, and what it refuses.

use crate::cluster::file;
use crate::stage::{EXAMPLE, SHOP, Stage, play};

#[test]
fn kubectl_waits_for_a_pool_and_shows_it() {
    play("kubectl get and wait", |stage| {
        stage.cluster.run(&format!(
            "kubectl -n {SHOP} wait --for=condition=Ready balancerpool/web balancerpool/web-local --timeout=30s"
        ));
        let table = stage.cluster.run(&format!("kubectl -n {SHOP} get bp"));
        eprintln!("{table}");
        let rows: Vec<Vec<_>> = table.lines().map(|line| line.split_whitespace().collect()).collect();
        assert_eq!(rows[0], ["NAME", "ENDPOINTS", "PROGRAMMED", "AGE"]);
        assert_eq!(rows[1][..3], ["web", "4/4", "True"]);
        assert_eq!(rows[2][..3], ["web-local", "4/4", "True"]);
        let all = stage.cluster.run(&format!("kubectl -n {SHOP} get evenkeel -o name"));
        assert!(all.contains("balancerpool.evenkeel.dev/web"), "the category evenkeel has the pools: {all}");
    });
}

#[test]
fn a_bad_pool_is_refused_with_what_to_do() {
    play("bad pools are refused", |stage| {
        let good = Stage::pool(EXAMPLE);
        let cases = [
            (Stage::pool([0, 0, 0]), "give at least one that is no backup a weight above 0"),
            (good.replace("port: 80\n", "port: 9440\n"), "9440"),
            (good.replace("name: web\n", "name: operator\n"), "choose another one"),
            (good.replace("weight: 70", "weight: -1"), "weight"),
            (good.replace("listener:", "listner:"), "listner"),
            (file("examples/demo/pool.yaml"), "never an endpoint"),
        ];
        for (manifest, why) in cases {
            let refusal = stage.cluster.apply(SHOP, &manifest).expect_err(why);
            assert!(refusal.contains(why), "{why:?} is not in: {refusal}");
        }
        let left =
            stage.cluster.run(&format!("kubectl -n {SHOP} get balancerpools -o jsonpath={{.items[*].metadata.name}}"));
        assert_eq!(left, "web web-local");
    });
}
