//! What happens in a simulation: hosts, their clocks, and the trouble that they and the Lease get into.

use proptest::prelude::*;

/// Milliseconds of true time, which nobody in the simulation knows.
pub(super) type Ms = u64;

/// The network is bad and processes are stopped and killed for that long; then all is well.
pub(super) const TROUBLE: Ms = 90_000;
/// The last message of the bad time arrives that long after it was sent, at most.
pub(super) const SLOWEST: Ms = 5_000;
/// Of a good network.
pub(super) const FAST: Ms = 50;
/// In thousandths: no clock runs slower.
pub(super) const SLOWEST_CLOCK: u64 = 950;

/// How a process's clock runs, and when it starts.
#[derive(Clone, Debug)]
pub(super) struct Host {
    pub(super) starts: Ms,
    pub(super) offset_s: u32,
    /// Its clock's speed in thousandths.
    pub(super) speed: u64,
}

/// What happens to whom.
#[derive(Clone, Debug)]
pub(super) enum Trouble {
    Pause(Ms),
    Kill,
    Stop,
    /// Nothing reaches it, nothing leaves it.
    CutOff(Ms),
    Edit(Edit),
}

/// What somebody else does to the Lease.
#[derive(Clone, Copy, Debug)]
pub(super) enum Edit {
    Delete,
    NoHolder,
    NoSpec,
    Zero,
    Year,
    Label,
}

#[derive(Clone, Debug)]
pub(super) struct Script {
    pub(super) hosts: Vec<Host>,
    pub(super) troubles: Vec<(Ms, usize, Trouble)>,
    pub(super) loss_percent: u8,
    pub(super) slowest: Ms,
    pub(super) seed: u64,
}

fn hosts() -> impl Strategy<Value = Vec<Host>> {
    let host = (0..20_000_u64, 0..1_000_000_u32, SLOWEST_CLOCK..=1050).prop_map(|(starts, offset_s, speed)| Host {
        starts,
        offset_s,
        speed,
    });
    prop::collection::vec(host, 2..=4)
}

fn troubles(edits: bool) -> impl Strategy<Value = Vec<(Ms, usize, Trouble)>> {
    let edit = prop_oneof![
        Just(Edit::Delete),
        Just(Edit::NoHolder),
        Just(Edit::NoSpec),
        Just(Edit::Zero),
        Just(Edit::Year),
        Just(Edit::Label)
    ];
    let trouble = prop_oneof![
        4 => (1..60_000_u64).prop_map(Trouble::Pause),
        2 => Just(Trouble::Kill),
        2 => Just(Trouble::Stop),
        3 => (1..40_000_u64).prop_map(Trouble::CutOff),
        u32::from(edits) * 6 => edit.prop_map(Trouble::Edit),
    ];
    prop::collection::vec((0..TROUBLE, 0..4_usize, trouble), 0..14)
}

/// With edits of the Lease by somebody else, or without.
pub(super) fn script(edits: bool) -> impl Strategy<Value = Script> {
    (hosts(), troubles(edits), 0..40_u8, prop_oneof![Just(FAST), 1..=SLOWEST], any::<u64>()).prop_map(
        |(hosts, troubles, loss_percent, slowest, seed)| Script { hosts, troubles, loss_percent, slowest, seed },
    )
}
