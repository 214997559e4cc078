//! Pools for sidecars: the backends of the example, on a port of the application's own loopback.

use crate::stage::weighted;

/// The one of the example, which every test has.
pub(crate) const SIDE: SidePool = SidePool { name: "web-local", port: 8080 };

/// A pool with mode Sidecar.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SidePool {
    pub(crate) name: &'static str,
    pub(crate) port: u16,
}

impl SidePool {
    /// Where an application finds it.
    pub(crate) fn url(self) -> String {
        format!("http://127.0.0.1:{}/", self.port)
    }

    /// The manifest of the example with this pool's name and port, and with these weights.
    pub(crate) fn manifest(self, weights: [u32; 3]) -> String {
        let example = weighted("examples/sidecar/pool.yaml", weights);
        let changed = example
            .replace("\n  name: web-local\n", &format!("\n  name: {}\n", self.name))
            .replace("\n    port: 8080 ", &format!("\n    port: {} ", self.port));
        assert!(changed.contains(self.name) && changed.contains(&self.port.to_string()), "{example}");
        changed
    }
}
