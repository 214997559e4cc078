//! What the cluster knows about a failure, printed when a test panics.

use crate::stage::{SHOP, SYSTEM, Stage};

/// Enough of each to see the last minutes.
const LINES: usize = 120;

/// Prints the state of the cluster when it is dropped by a panic.
pub(crate) struct Evidence<'a>(&'a Stage);

impl<'a> Evidence<'a> {
    /// Watches over a test.
    pub(crate) fn of(stage: &'a Stage) -> Self {
        Self(stage)
    }

    fn show(&self, line: &str) {
        let output = self.0.cluster.attempt(line).unwrap_or_else(|error| error);
        let lines: Vec<_> = output.lines().collect();
        eprintln!("--- {line}\n{}", lines[lines.len().saturating_sub(LINES)..].join("\n"));
    }
}

impl Drop for Evidence<'_> {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            return;
        }
        self.show(&format!("kubectl -n {SHOP} get balancerpools -o yaml"));
        self.show(&format!("kubectl -n {SHOP} get configmap evenkeel-web -o jsonpath={{.data}}"));
        for namespace in [SYSTEM, SHOP] {
            self.show(&format!("kubectl -n {namespace} get deployments,pods,endpointslices -o wide"));
            self.show(&format!("kubectl -n {namespace} events"));
            self.show(&format!(
                "kubectl -n {namespace} logs --prefix --timestamps --tail=60 -l app.kubernetes.io/name"
            ));
        }
        self.show(&format!(
            "kubectl -n {SYSTEM} logs --previous --tail=40 -l app.kubernetes.io/name=evenkeel-operator"
        ));
    }
}
