//! Packets to bytes and back, over rumqttc's codec.

use bytes::BytesMut;
use rumqttc::mqttbytes::{self, v4};

use super::PacketId;
use super::packet::{
    ClientPacket, ConnAckCode, Connect, Delivery, Login, Password, Publish, QoS, RequestedSubscription, ServerPacket,
    SubAckCode, Will,
};
use super::strict::{self, FrameError, Sender};
use crate::model::limits::MQTT_PACKET_BYTES_MAX;

/// A packet that can be written.
pub trait Encode {
    /// Appends the packet's bytes; on an error nothing is appended.
    ///
    /// # Errors
    /// [`FrameError`] when the packet does not fit the standard or [`MQTT_PACKET_BYTES_MAX`].
    fn encode(&self, buffer: &mut BytesMut) -> Result<(), FrameError>;
}

impl ClientPacket {
    /// Takes the next packet of a client off the front of `buffer`; `None` until all its bytes are there.
    ///
    /// # Errors
    /// [`FrameError`] as soon as the bytes can no longer become a legal packet, an oversized one at its header.
    pub fn decode(buffer: &mut BytesMut) -> Result<Option<Self>, FrameError> {
        let Some(packet) = take(Sender::Client, buffer)? else { return Ok(None) };
        Ok(Some(match packet {
            v4::Packet::Connect(connect) => Self::Connect(Box::new(connect_from_codec(connect))),
            v4::Packet::Publish(publish) => Self::Publish(publish_from_codec(publish)),
            v4::Packet::PubAck(ack) => Self::PubAck(checked_id(ack.pkid)),
            v4::Packet::Subscribe(subscribe) => Self::Subscribe {
                id: checked_id(subscribe.pkid),
                filters: subscribe
                    .filters
                    .into_iter()
                    .map(|filter| RequestedSubscription { filter: filter.path, qos: qos_from_codec(filter.qos) })
                    .collect(),
            },
            v4::Packet::Unsubscribe(unsubscribe) => {
                Self::Unsubscribe { id: checked_id(unsubscribe.pkid), filters: unsubscribe.topics }
            }
            v4::Packet::PingReq => Self::PingReq,
            v4::Packet::Disconnect => Self::Disconnect,
            _ => unreachable!("the check lets only a client's packets pass"),
        }))
    }
}

impl ServerPacket {
    /// Takes the next packet of a server off the front of `buffer`; `None` until all its bytes are there.
    ///
    /// # Errors
    /// [`FrameError`] as soon as the bytes can no longer become a legal packet, an oversized one at its header.
    pub fn decode(buffer: &mut BytesMut) -> Result<Option<Self>, FrameError> {
        let Some(packet) = take(Sender::Server, buffer)? else { return Ok(None) };
        Ok(Some(match packet {
            v4::Packet::ConnAck(ack) => {
                Self::ConnAck { session_present: ack.session_present, code: ConnAckCode::ALL[ack.code as usize] }
            }
            v4::Packet::Publish(publish) => Self::Publish(publish_from_codec(publish)),
            v4::Packet::PubAck(ack) => Self::PubAck(checked_id(ack.pkid)),
            v4::Packet::SubAck(ack) => Self::SubAck {
                id: checked_id(ack.pkid),
                codes: ack
                    .return_codes
                    .into_iter()
                    .map(|code| match code {
                        v4::SubscribeReasonCode::Success(qos) => SubAckCode::Granted(qos_from_codec(qos)),
                        v4::SubscribeReasonCode::Failure => SubAckCode::Failure,
                    })
                    .collect(),
            },
            v4::Packet::UnsubAck(ack) => Self::UnsubAck(checked_id(ack.pkid)),
            v4::Packet::PingResp => Self::PingResp,
            _ => unreachable!("the check lets only a server's packets pass"),
        }))
    }
}

/// Finds, checks and reads one packet.
fn take(sender: Sender, buffer: &mut BytesMut) -> Result<Option<v4::Packet>, FrameError> {
    // The first byte alone can damn a packet; waiting for the rest of it would be a gift to whoever sent it.
    let Some(&first) = buffer.first() else { return Ok(None) };
    let packet = strict::check_first(sender, first)?;
    let header = match mqttbytes::check(buffer.iter(), MQTT_PACKET_BYTES_MAX) {
        Ok(header) => header,
        Err(mqttbytes::Error::InsufficientBytes(_)) => return Ok(None),
        Err(mqttbytes::Error::PayloadSizeLimitExceeded(bytes)) => {
            return Err(FrameError::TooLarge { bytes, max: MQTT_PACKET_BYTES_MAX });
        }
        Err(_) => return Err(FrameError::RemainingLength),
    };
    let length_bytes = buffer[1..].iter().take_while(|&&byte| byte & 0x80 != 0).count() + 1;
    strict::check(sender, first, &buffer[1 + length_bytes..header.frame_length()])?;
    let read = v4::Packet::read(buffer, MQTT_PACKET_BYTES_MAX);
    read.map(Some).map_err(|error| FrameError::Codec { packet, reason: error.to_string() })
}

fn checked_id(number: u16) -> PacketId {
    PacketId::new(number).expect("the check refuses identifier 0")
}

fn qos_from_codec(qos: mqttbytes::QoS) -> QoS {
    match qos {
        mqttbytes::QoS::AtMostOnce => QoS::AtMostOnce,
        mqttbytes::QoS::AtLeastOnce => QoS::AtLeastOnce,
        mqttbytes::QoS::ExactlyOnce => QoS::ExactlyOnce,
    }
}

fn qos_to_codec(qos: QoS) -> mqttbytes::QoS {
    match qos {
        QoS::AtMostOnce => mqttbytes::QoS::AtMostOnce,
        QoS::AtLeastOnce => mqttbytes::QoS::AtLeastOnce,
        QoS::ExactlyOnce => mqttbytes::QoS::ExactlyOnce,
    }
}

fn connect_from_codec(connect: v4::Connect) -> Connect {
    let login = connect.login.filter(|login| !login.username.is_empty());
    Connect {
        client_id: connect.client_id,
        clean_session: connect.clean_session,
        keep_alive_s: connect.keep_alive,
        login: login.map(|login| Login {
            user_name: login.username,
            password: Some(login.password).filter(|password| !password.is_empty()).map(Password::new),
        }),
        will: connect.last_will.map(|will| Will {
            topic: will.topic,
            payload: will.message,
            qos: qos_from_codec(will.qos),
            retain: will.retain,
        }),
    }
}

fn publish_from_codec(publish: v4::Publish) -> Publish {
    let delivery = match PacketId::new(publish.pkid) {
        None => Delivery::AtMostOnce,
        Some(id) => Delivery::AtLeastOnce { id, dup: publish.dup },
    };
    Publish { topic: publish.topic, payload: publish.payload, delivery, retain: publish.retain }
}

fn publish_to_codec(publish: &Publish) -> Result<v4::Publish, FrameError> {
    strict::check_topic_name(&publish.topic)?;
    check_length(&publish.topic)?;
    let (qos, pkid, dup) = match publish.delivery {
        Delivery::AtMostOnce => (mqttbytes::QoS::AtMostOnce, 0, false),
        Delivery::AtLeastOnce { id, dup } => (mqttbytes::QoS::AtLeastOnce, id.get(), dup),
    };
    let Publish { topic, payload, retain, .. } = publish.clone();
    Ok(v4::Publish { dup, qos, retain, topic, pkid, payload })
}

fn connect_to_codec(connect: &Connect) -> Result<v4::Connect, FrameError> {
    check_length(&connect.client_id)?;
    let mut packet = v4::Connect::new(connect.client_id.clone());
    packet.keep_alive = connect.keep_alive_s;
    packet.clean_session = connect.clean_session;
    if let Some(login) = &connect.login {
        let password = login.password.as_ref().map(Password::expose).unwrap_or_default();
        check_length(&login.user_name)?;
        check_length(password)?;
        packet.set_login(login.user_name.clone(), password);
    }
    if let Some(will) = &connect.will {
        strict::check_topic_name(&will.topic)?;
        check_length(&will.topic)?;
        check_bytes(will.payload.len())?;
        packet.last_will =
            Some(v4::LastWill::new(will.topic.clone(), will.payload.to_vec(), qos_to_codec(will.qos), will.retain));
    }
    Ok(packet)
}

fn check_length(text: &str) -> Result<(), FrameError> {
    check_bytes(text.len())
}

fn check_bytes(bytes: usize) -> Result<(), FrameError> {
    if bytes > usize::from(u16::MAX) { Err(FrameError::TextTooLong { bytes }) } else { Ok(()) }
}

fn write(packet: &v4::Packet, buffer: &mut BytesMut) -> Result<(), FrameError> {
    // Split off, because the codec patches CONNECT's flags at a place that it counts from the start of its buffer.
    let mut bytes = buffer.split_off(buffer.len());
    match packet.write(&mut bytes, MQTT_PACKET_BYTES_MAX) {
        Ok(_) => {
            buffer.unsplit(bytes);
            Ok(())
        }
        Err(mqttbytes::Error::OutgoingPacketTooLarge { pkt_size, max }) => {
            Err(FrameError::TooLarge { bytes: pkt_size, max })
        }
        Err(error) => Err(FrameError::Codec { packet: "packet", reason: error.to_string() }),
    }
}

impl Encode for ClientPacket {
    fn encode(&self, buffer: &mut BytesMut) -> Result<(), FrameError> {
        let packet = match self {
            Self::Connect(connect) => v4::Packet::Connect(connect_to_codec(connect)?),
            Self::Publish(publish) => v4::Packet::Publish(publish_to_codec(publish)?),
            Self::PubAck(id) => v4::Packet::PubAck(v4::PubAck::new(id.get())),
            Self::Subscribe { id, filters } => {
                let mut packet = v4::Subscribe { pkid: id.get(), filters: Vec::with_capacity(filters.len()) };
                for RequestedSubscription { filter, qos } in filters {
                    check_filter(filter)?;
                    packet.add(filter.clone(), qos_to_codec(*qos));
                }
                non_empty(filters, "SUBSCRIBE")?;
                v4::Packet::Subscribe(packet)
            }
            Self::Unsubscribe { id, filters } => {
                filters.iter().try_for_each(|filter| check_filter(filter))?;
                non_empty(filters, "UNSUBSCRIBE")?;
                v4::Packet::Unsubscribe(v4::Unsubscribe { pkid: id.get(), topics: filters.clone() })
            }
            Self::PingReq => v4::Packet::PingReq,
            Self::Disconnect => v4::Packet::Disconnect,
        };
        write(&packet, buffer)
    }
}

impl Encode for ServerPacket {
    fn encode(&self, buffer: &mut BytesMut) -> Result<(), FrameError> {
        let packet = match self {
            Self::ConnAck { session_present, code } => {
                // [MQTT-3.2.2-4]: a refusal never speaks of a session.
                let session_present = *session_present && *code == ConnAckCode::Accepted;
                v4::Packet::ConnAck(v4::ConnAck::new(connack_to_codec(*code), session_present))
            }
            Self::Publish(publish) => v4::Packet::Publish(publish_to_codec(publish)?),
            Self::PubAck(id) => v4::Packet::PubAck(v4::PubAck::new(id.get())),
            Self::SubAck { id, codes } => {
                non_empty(codes, "SUBACK")?;
                let codes = codes.iter().map(|code| match code {
                    SubAckCode::Granted(qos) => v4::SubscribeReasonCode::Success(qos_to_codec(*qos)),
                    SubAckCode::Failure => v4::SubscribeReasonCode::Failure,
                });
                v4::Packet::SubAck(v4::SubAck::new(id.get(), codes.collect()))
            }
            Self::UnsubAck(id) => v4::Packet::UnsubAck(v4::UnsubAck::new(id.get())),
            Self::PingResp => v4::Packet::PingResp,
        };
        write(&packet, buffer)
    }
}

fn check_filter(filter: &str) -> Result<(), FrameError> {
    strict::check_topic_filter(filter)?;
    check_length(filter)
}

fn non_empty<T>(items: &[T], packet: &'static str) -> Result<(), FrameError> {
    if items.is_empty() { Err(FrameError::NoFilter { packet }) } else { Ok(()) }
}

fn connack_to_codec(code: ConnAckCode) -> v4::ConnectReturnCode {
    match code {
        ConnAckCode::Accepted => v4::ConnectReturnCode::Success,
        ConnAckCode::UnacceptableProtocolVersion => v4::ConnectReturnCode::RefusedProtocolVersion,
        ConnAckCode::IdentifierRejected => v4::ConnectReturnCode::BadClientId,
        ConnAckCode::ServerUnavailable => v4::ConnectReturnCode::ServiceUnavailable,
        ConnAckCode::BadUserNameOrPassword => v4::ConnectReturnCode::BadUserNamePassword,
        ConnAckCode::NotAuthorized => v4::ConnectReturnCode::NotAuthorized,
    }
}

#[cfg(test)]
mod tests;
