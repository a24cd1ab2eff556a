//! A thousand devices that lost one hub: they come back, and not as one.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::*;
use crate::device::ReconnectSpans;

const DEVICES: usize = 1_000;

/// The moments, after the hub is back, at which devices dial it; each dials until it gets through.
fn comeback(reconnect: ReconnectSpans, outage: Duration) -> Vec<Duration> {
    let common = config(Behaviour::default());
    let mut endpoint = (*common.endpoint).clone();
    endpoint.reconnect = reconnect;
    let endpoint = Arc::new(endpoint);
    let mut machines: Vec<Machine> = (0..DEVICES)
        .map(|n| {
            let (id, endpoint) = (Arc::new(TwinId::device(format!("d{n}").parse().unwrap())), Arc::clone(&endpoint));
            Machine::new(DeviceConfig { id, endpoint, ..common.clone() }, Seed::new(1))
        })
        .collect();
    let lose = |machine: &mut Machine, at: Duration, reason| {
        let effects = machine.on(Input::Lost(reason), Now { wall: Timestamp::UNIX_EPOCH, monotonic: at });
        at + retry_after(&effects)
    };
    let mut dials: BinaryHeap<_> = machines
        .iter_mut()
        .enumerate()
        .map(|(n, machine)| Reverse((lose(machine, Duration::ZERO, LossReason::Closed), n)))
        .collect();
    let mut back = Vec::new();
    while let Some(Reverse((at, n))) = dials.pop() {
        if at < outage {
            let reason = LossReason::Unreachable("refused".to_owned());
            dials.push(Reverse((lose(&mut machines[n], at, reason), n)));
        } else {
            back.push(at - outage);
        }
    }
    back
}

/// The most dials within a second.
fn peak(dials: &[Duration]) -> usize {
    let within_a_second = |from: Duration| {
        let second = from..from + Duration::from_secs(1);
        dials.iter().filter(|&at| second.contains(at)).count()
    };
    dials.iter().map(|&from| within_a_second(from)).max().unwrap_or_default()
}

#[test]
fn the_longer_the_hub_was_away_the_wider_they_are_spread() {
    for outage_s in [10_u64, 30, 60, 300] {
        let back = comeback(ReconnectSpans::default(), Duration::from_secs(outage_s));
        let most = 4 * DEVICES / usize::try_from(outage_s.min(60)).unwrap();
        assert!(peak(&back) <= most, "after {outage_s} s: {} within a second", peak(&back));
        assert!(back.iter().all(|at| *at <= Duration::from_secs(60)), "everybody is back within the largest span");
    }
}

#[test]
fn a_large_fleet_comes_back_no_faster_than_it_was_started_even_when_the_hub_is_back_at_once() {
    let a_hundred_a_second = ReconnectSpans { first: Duration::from_secs(10), ..ReconnectSpans::default() };
    for outage_s in [0, 1, 5, 30] {
        let back = comeback(a_hundred_a_second, Duration::from_secs(outage_s));
        assert!(peak(&back) <= 200, "after {outage_s} s: {} within a second", peak(&back));
    }
}
