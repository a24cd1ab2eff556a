//! MQTT 3.1.1 as IoT Hub speaks it: strict frames and the service's topics; no sockets of its own.
//!
//! The codec is rumqttc's, which reads more than the standard allows; [`ClientPacket::decode`] and
//! [`ServerPacket::decode`] first refuse what is malformed. Everything is generic over the byte stream, so that TLS,
//! WebSocket and an in-memory pipe look alike.

mod frame;
mod packet;
mod packet_id;
mod property_bag;
mod stream;
mod strict;
mod subscription;
mod topic;
mod user_name;
mod websocket;

pub use frame::Encode;
pub use packet::{
    ClientPacket, ConnAckCode, Connect, Delivery, Login, Password, Publish, QoS, RequestedSubscription, ServerPacket,
    SubAckCode, Will,
};
pub use packet_id::{PacketId, PacketIds};
pub use property_bag::PropertyBag;
pub use stream::{PacketStream, StreamError};
pub use strict::FrameError;
pub use subscription::Subscription;
pub use topic::{Downstream, TopicError, Upstream, telemetry_topic};
pub use user_name::{InvalidUserName, UserName};
pub use websocket::{WEBSOCKET_KEY_SUFFIX, WEBSOCKET_PATH, WEBSOCKET_SUBPROTOCOL, WebSocketBytes};
