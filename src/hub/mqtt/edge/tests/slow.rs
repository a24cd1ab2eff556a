//! Devices that do not read what they asked for.

use super::*;
use crate::mqtt::{PacketId, Publish, QoS, RequestedSubscription};

// conformance: DEVICE.md 10: a device that takes nothing of an answer for 30 s is closed
#[tokio::test(start_paused = true)]
async fn who_asks_and_never_reads_is_closed() {
    let bench = Bench::new().await;
    let mut device = bench.connect(0, 1_000_000).await;
    let filters = vec![RequestedSubscription { filter: "$iothub/twin/res/#".to_owned(), qos: QoS::AtMostOnce }];
    device.write(&[ClientPacket::Subscribe { id: PacketId::new(1).unwrap(), filters }]).await.unwrap();
    assert!(matches!(device.read_server_packet().await.unwrap(), Some(ServerPacket::SubAck { .. })));
    // More answers than the way between the two has room for.
    let question = ClientPacket::Publish(Publish::at_most_once("$iothub/twin/GET/?$rid=1".to_owned(), ""));
    let begun_s = bench.elapsed_s();
    while device.write(std::slice::from_ref(&question)).await.is_ok() {}
    assert_eq!(bench.elapsed_s() - begun_s, 30);
}
