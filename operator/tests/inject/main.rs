//! Injection: golden files, and what holds for every pod.

mod golden;
mod properties;

use evenkeel_operator::inject::Settings;

/// As the chart's defaults are.
fn settings() -> Settings {
    Settings {
        image: "registry.example/evenkeel-proxy:1.0".into(),
        pull_policy: Some(evenkeel_operator::options::PullPolicy::IfNotPresent),
        resources: evenkeel_operator::inject::Resources::default(),
    }
}
