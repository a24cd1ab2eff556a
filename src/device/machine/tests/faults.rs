//! Faults of a device's connection, on a driven clock.

use super::*;
use crate::device::{Connectivity, Flapping, HalfOpen, Slow, Takeover};
use crate::model::Share;

fn faulty(connectivity: Connectivity) -> Behaviour {
    Behaviour { connectivity, ..Behaviour::default() }
}

fn seconds(text: &str) -> Latency {
    text.parse().unwrap()
}

/// Brings a bench up again, whatever it was before; the session lives on.
fn come_back(bench: &mut Bench) {
    let [topic] = &topics(&bench.accept(true))[..] else { panic!("no twin read") };
    bench.message(&topic.replace("GET/", "res/200/"), &twin(1, json!({})));
}

#[test]
fn a_flapping_device_comes_and_goes_for_a_week() {
    let flapping = Flapping { share: Share::ALL, online: seconds("30s..2m"), offline: seconds("5s..20s") };
    let mut bench = Bench::ready_with(faulty(Connectivity { flapping: Some(flapping), ..Connectivity::default() }));
    let (mut goodbyes, mut cuts, mut up_since) = (0, 0, 0);
    while bench.second < 7 * 86_400 {
        let effects = bench.wake();
        let after = match effects.next {
            Next::Stay => continue,
            Next::Reconnect { after } => {
                assert_eq!(effects.packets, [ClientPacket::Disconnect]);
                goodbyes += 1;
                after
            }
            Next::Cut { after } => {
                assert_eq!(effects.packets, []);
                cuts += 1;
                after
            }
            next => panic!("{next:?}"),
        };
        assert!((30..=121).contains(&(bench.second - up_since)), "{} s online", bench.second - up_since);
        assert!((5.0..=20.0).contains(&after.as_secs_f64()), "{after:?} offline");
        let reason = LossReason::Flapping;
        assert_eq!(effects.events, [Event::Disconnected { reason, retry_after: after }]);
        bench.second += after.as_secs() + 1;
        up_since = bench.second;
        come_back(&mut bench);
    }
    assert!(goodbyes > 2_000 && cuts > 2_000, "{goodbyes} goodbyes, {cuts} cuts");
}

#[test]
fn a_half_open_device_is_silent_until_the_hub_ends_it() {
    let half_open = HalfOpen { share: Share::ALL, after: seconds("5m") };
    let mut bench = Bench::ready_with(faulty(Connectivity { half_open: Some(half_open), ..Connectivity::default() }));
    let silent = idle(&mut bench);
    assert_eq!((silent.events, silent.packets, silent.next), (vec![Event::WentSilent], vec![], Next::Stay));
    assert_eq!(bench.second, 300);
    // Neither answers nor pings.
    assert_eq!(bench.message("$iothub/methods/POST/m/?$rid=a", &json!(1)), Effects::none());
    assert_eq!(bench.machine.deadline(), Some(Duration::from_secs(300 + 2 * 240)));
    bench.second = 300 + 360;
    let ended = bench.lose(LossReason::Closed);
    assert!(matches!(ended.events[..], [Event::Disconnected { reason: LossReason::Closed, .. }]), "{ended:?}");

    // A hub that lets it be is left without a word.
    come_back(&mut bench);
    idle(&mut bench);
    let left = bench.wake();
    assert!(matches!(left.events[..], [Event::Disconnected { reason: LossReason::Broken(_), .. }]), "{left:?}");
}

#[test]
fn a_device_takes_itself_over_and_is_itself_again() {
    let takeover = Takeover { share: Share::ALL, every: seconds("1m") };
    let mut bench = Bench::ready_with(faulty(Connectivity { takeover: Some(takeover), ..Connectivity::default() }));
    for round in 1..=100 {
        let effects = bench.wake();
        assert_eq!((effects.next, effects.events, effects.packets), (Next::TakeOver, vec![Event::TakingOver], vec![]));
        assert_eq!(bench.second, 60 * round);
        come_back(&mut bench);
    }
    assert_eq!(bench.message("$iothub/methods/POST/m/?$rid=a", &json!(1)).packets.len(), 1);
    // When the second connection cannot be made, the first is lost as any.
    bench.wake();
    let lost = bench.lose(LossReason::Unreachable("down".to_owned()));
    assert!(matches!(lost.next, Next::Reconnect { .. }));
}

#[test]
fn a_slow_device_sends_everything_late_from_connect_on() {
    let slow = Slow { share: Share::ALL, delay: seconds("3s") };
    let mut bench = Bench::new(faulty(Connectivity { slow: Some(slow), ..Connectivity::default() }));
    assert_eq!(bench.on(Input::Opened).packets, []);
    assert!(matches!(bench.wake().packets[..], [ClientPacket::Connect(_)]));
    assert_eq!(bench.second, 3);
    bench.packet(ServerPacket::ConnAck { session_present: false, code: ConnAckCode::Accepted });
    assert_eq!(bench.wake().packets.len(), 3, "the subscriptions");
    assert_eq!(bench.second, 6);
}

#[test]
fn a_device_without_faults_has_no_room_for_them() {
    let bench = Bench::ready();
    assert!(bench.machine.trouble.is_none());
}
