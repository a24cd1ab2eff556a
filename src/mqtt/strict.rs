//! What MQTT 3.1.1 tells a reader to refuse and the codec underneath lets pass (DEVICE.md 8.2).

use super::ConnAckCode;

/// Says why bytes are no packet that this end may receive. Every one of them ends the connection [MQTT-4.8.0-1].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// The remaining length has more than four bytes.
    #[error("the remaining length has more than four bytes")]
    RemainingLength,
    /// Larger than this end reads or writes.
    #[error("a packet of {bytes} bytes is larger than {max}")]
    TooLarge {
        /// Its length.
        bytes: usize,
        /// The limit.
        max: usize,
    },
    /// Type 0 or 15.
    #[error("packet type {number} does not exist")]
    UnknownType {
        /// The number.
        number: u8,
    },
    /// A packet that only the other end sends.
    #[error("{packet} does not come from this side")]
    WrongDirection {
        /// The packet's name.
        packet: &'static str,
    },
    /// Reserved bits of the fixed header [MQTT-2.2.2-2].
    #[error("{packet} has wrong flags in its fixed header")]
    HeaderFlags {
        /// The packet's name.
        packet: &'static str,
    },
    /// Neither `MQTT` nor its old name.
    #[error("the protocol's name is not MQTT")]
    ProtocolName,
    // conformance-choice: DEVICE.md 1.10: protocol levels 3 and 5 are answered CONNACK 1
    /// MQTT, but not 3.1.1: to be answered with CONNACK 1.
    #[error("protocol level {level} is not MQTT 3.1.1 (level 4)")]
    ProtocolLevel {
        /// The level.
        level: u8,
    },
    /// The reserved flag of CONNECT [MQTT-3.1.2-3].
    #[error("CONNECT has its reserved flag set")]
    ReservedConnectFlag,
    /// Will flags without a will, or a will of quality 3 [MQTT-3.1.2-11].
    #[error("CONNECT has will flags that contradict each other")]
    WillFlags,
    /// A password needs a user name [MQTT-3.1.2-22].
    #[error("CONNECT has a password and no user name")]
    PasswordWithoutUserName,
    /// No client id, and no clean session either [MQTT-3.1.3-8].
    #[error("CONNECT has an empty client id")]
    EmptyClientId,
    /// Quality 2, which IoT Hub does not have (DEVICE.md 1.8).
    #[error("QoS 2 is not supported")]
    ExactlyOnce,
    /// Quality 3 [MQTT-3.3.1-4].
    #[error("QoS 3 does not exist")]
    Qos,
    /// DUP with quality 0 [MQTT-3.3.1-2].
    #[error("PUBLISH of QoS 0 is marked as a duplicate")]
    DuplicateAtMostOnce,
    /// Identifier 0 [MQTT-2.3.1-1].
    #[error("{packet} has packet identifier 0")]
    PacketIdZero {
        /// The packet's name.
        packet: &'static str,
    },
    // conformance-choice: DEVICE.md 8.2: a password that is no UTF-8 closes without a CONNACK
    /// Not UTF-8, or with NUL [MQTT-1.5.3-1, MQTT-1.5.3-2].
    #[error("{packet} has a text that is not UTF-8 or contains NUL")]
    Text {
        /// The packet's name.
        packet: &'static str,
    },
    /// Longer than two bytes of length can say.
    #[error("a text of {bytes} bytes does not fit an MQTT string")]
    TextTooLong {
        /// Its length.
        bytes: usize,
    },
    /// An empty topic, or one with a wildcard [MQTT-3.3.2-2].
    #[error("a topic name is empty or contains a wildcard")]
    TopicName,
    /// An empty filter, or a wildcard out of place [MQTT-4.7.1-2, MQTT-4.7.1-3].
    #[error("a topic filter is empty or has a wildcard out of place")]
    TopicFilter,
    /// Nothing to (un)subscribe [MQTT-3.8.3-3, MQTT-3.10.3-2].
    #[error("{packet} has no filter")]
    NoFilter {
        /// The packet's name.
        packet: &'static str,
    },
    /// Reserved bits beside a filter [MQTT-3-8.3-4].
    #[error("SUBSCRIBE has reserved bits set beside a filter")]
    ReservedFilterBits,
    /// A code outside the standard's list.
    #[error("{packet} has an unknown return code")]
    ReturnCode {
        /// The packet's name.
        packet: &'static str,
    },
    /// Ends in the middle of a field.
    #[error("{packet} ends in the middle of a field")]
    Truncated {
        /// The packet's name.
        packet: &'static str,
    },
    /// Bytes after the last field.
    #[error("{packet} has bytes after its last field")]
    TrailingBytes {
        /// The packet's name.
        packet: &'static str,
    },
    /// The codec underneath refuses what passed every check.
    #[error("{packet} cannot be read: {reason}")]
    Codec {
        /// The packet's name.
        packet: &'static str,
        /// In the codec's words.
        reason: String,
    },
}

impl FrameError {
    /// What a server answers to a CONNECT with this fault before it closes; `None` to close without a word.
    #[must_use]
    pub fn connack(&self) -> Option<ConnAckCode> {
        match self {
            Self::ProtocolLevel { .. } => Some(ConnAckCode::UnacceptableProtocolVersion),
            Self::EmptyClientId => Some(ConnAckCode::IdentifierRejected),
            _ => None,
        }
    }
}

/// Which end sent the bytes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Sender {
    Client,
    Server,
}

/// Checks the first byte of the fixed header, which alone can damn a packet, and gives the packet's name.
pub(super) fn check_first(sender: Sender, first: u8) -> Result<&'static str, FrameError> {
    let (number, flags) = (first >> 4, first & 0x0F);
    let packet = name(number)?;
    match (sender, number) {
        // Only quality 2 knows PUBREC, PUBREL and PUBCOMP.
        (_, 5..=7) => return Err(FrameError::ExactlyOnce),
        (Sender::Client, 1 | 3 | 4 | 8 | 10 | 12 | 14) | (Sender::Server, 2 | 3 | 4 | 9 | 11 | 13) => {}
        _ => return Err(FrameError::WrongDirection { packet }),
    }
    let required_flags = match number {
        3 => flags,
        8 | 10 => 0b0010,
        _ => 0,
    };
    if flags == required_flags { Ok(packet) } else { Err(FrameError::HeaderFlags { packet }) }
}

/// Checks one whole packet: `first` is the first byte of the fixed header, `body` what follows the remaining length.
pub(super) fn check(sender: Sender, first: u8, body: &[u8]) -> Result<(), FrameError> {
    let packet = check_first(sender, first)?;
    let (number, flags) = (first >> 4, first & 0x0F);
    let mut fields = Fields { packet, rest: body };
    match number {
        1 => check_connect(&mut fields)?,
        2 => check_connack(&mut fields)?,
        3 => return check_publish(flags, &mut fields),
        4 | 11 => fields.packet_id()?,
        8 => check_subscribe(&mut fields)?,
        9 => return check_suback(&mut fields),
        10 => check_unsubscribe(&mut fields)?,
        _ => {}
    }
    if fields.rest.is_empty() { Ok(()) } else { Err(FrameError::TrailingBytes { packet }) }
}

fn name(number: u8) -> Result<&'static str, FrameError> {
    const NAMES: [&str; 14] = [
        "CONNECT",
        "CONNACK",
        "PUBLISH",
        "PUBACK",
        "PUBREC",
        "PUBREL",
        "PUBCOMP",
        "SUBSCRIBE",
        "SUBACK",
        "UNSUBSCRIBE",
        "UNSUBACK",
        "PINGREQ",
        "PINGRESP",
        "DISCONNECT",
    ];
    let index = usize::from(number).wrapping_sub(1);
    NAMES.get(index).copied().ok_or(FrameError::UnknownType { number })
}

/// Walks over the fields of a packet.
struct Fields<'b> {
    packet: &'static str,
    rest: &'b [u8],
}

impl<'b> Fields<'b> {
    fn take(&mut self, count: usize) -> Result<&'b [u8], FrameError> {
        let (field, rest) = self.rest.split_at_checked(count).ok_or(FrameError::Truncated { packet: self.packet })?;
        self.rest = rest;
        Ok(field)
    }

    fn byte(&mut self) -> Result<u8, FrameError> {
        self.take(1).map(|field| field[0])
    }

    fn number(&mut self) -> Result<u16, FrameError> {
        self.take(2).map(|field| u16::from_be_bytes([field[0], field[1]]))
    }

    fn bytes(&mut self) -> Result<&'b [u8], FrameError> {
        let length = self.number()?;
        self.take(usize::from(length))
    }

    fn text(&mut self) -> Result<&'b str, FrameError> {
        let bytes = self.bytes()?;
        let text = std::str::from_utf8(bytes).ok().filter(|text| !text.contains('\0'));
        text.ok_or(FrameError::Text { packet: self.packet })
    }

    fn packet_id(&mut self) -> Result<(), FrameError> {
        if self.number()? == 0 {
            return Err(FrameError::PacketIdZero { packet: self.packet });
        }
        Ok(())
    }
}

fn check_connect(fields: &mut Fields<'_>) -> Result<(), FrameError> {
    // The level decides how the rest reads, so nothing else is looked at before it is known.
    let protocol = fields.text()?;
    if protocol != "MQTT" && protocol != "MQIsdp" {
        return Err(FrameError::ProtocolName);
    }
    let level = fields.byte()?;
    if level != 4 || protocol != "MQTT" {
        return Err(FrameError::ProtocolLevel { level });
    }
    let flags = fields.byte()?;
    let is_set = |bit: u8| flags & bit != 0;
    let (user_name, password, will, clean_session) = (is_set(0x80), is_set(0x40), is_set(0x04), is_set(0x02));
    if is_set(0x01) {
        return Err(FrameError::ReservedConnectFlag);
    }
    if (!will && is_set(0b0011_1000)) || flags & 0b0001_1000 == 0b0001_1000 {
        return Err(FrameError::WillFlags);
    }
    if password && !user_name {
        return Err(FrameError::PasswordWithoutUserName);
    }
    let _keep_alive = fields.number()?;
    let client_id = fields.text()?;
    if client_id.is_empty() && !clean_session {
        return Err(FrameError::EmptyClientId);
    }
    if will {
        check_topic_name(fields.text()?)?;
        fields.bytes()?;
    }
    if user_name {
        fields.text()?;
    }
    if password {
        // The standard allows any bytes; IoT Hub's passwords are SAS tokens, so the codec's wish for UTF-8 costs nothing.
        fields.text()?;
    }
    Ok(())
}

fn check_connack(fields: &mut Fields<'_>) -> Result<(), FrameError> {
    let (flags, code) = (fields.byte()?, fields.byte()?);
    let known = usize::from(code) < ConnAckCode::ALL.len();
    if !known || flags > 1 || (flags == 1 && code != 0) {
        return Err(FrameError::ReturnCode { packet: fields.packet });
    }
    Ok(())
}

fn check_publish(flags: u8, fields: &mut Fields<'_>) -> Result<(), FrameError> {
    let dup = flags & 0b1000 != 0;
    let qos = (flags & 0b0110) >> 1;
    match qos {
        0 if dup => return Err(FrameError::DuplicateAtMostOnce),
        0 | 1 => {}
        2 => return Err(FrameError::ExactlyOnce),
        _ => return Err(FrameError::Qos),
    }
    check_topic_name(fields.text()?)?;
    if qos == 1 {
        fields.packet_id()?;
    }
    Ok(())
}

fn check_subscribe(fields: &mut Fields<'_>) -> Result<(), FrameError> {
    fields.packet_id()?;
    if fields.rest.is_empty() {
        return Err(FrameError::NoFilter { packet: fields.packet });
    }
    while !fields.rest.is_empty() {
        check_topic_filter(fields.text()?)?;
        match fields.byte()? {
            0..=2 => {}
            3 => return Err(FrameError::Qos),
            _ => return Err(FrameError::ReservedFilterBits),
        }
    }
    Ok(())
}

fn check_suback(fields: &mut Fields<'_>) -> Result<(), FrameError> {
    fields.packet_id()?;
    if fields.rest.is_empty() {
        return Err(FrameError::Truncated { packet: fields.packet });
    }
    if fields.rest.iter().all(|code| matches!(code, 0..=2 | 0x80)) {
        return Ok(());
    }
    Err(FrameError::ReturnCode { packet: fields.packet })
}

fn check_unsubscribe(fields: &mut Fields<'_>) -> Result<(), FrameError> {
    fields.packet_id()?;
    if fields.rest.is_empty() {
        return Err(FrameError::NoFilter { packet: fields.packet });
    }
    while !fields.rest.is_empty() {
        check_topic_filter(fields.text()?)?;
    }
    Ok(())
}

pub(super) fn check_topic_name(topic: &str) -> Result<(), FrameError> {
    if topic.is_empty() || topic.contains(['#', '+']) {
        return Err(FrameError::TopicName);
    }
    Ok(())
}

pub(super) fn check_topic_filter(filter: &str) -> Result<(), FrameError> {
    let last = filter.split('/').count() - 1;
    let in_place = |(index, level): (usize, &str)| match level {
        "#" => index == last,
        "+" => true,
        _ => !level.contains(['#', '+']),
    };
    if filter.is_empty() || !filter.split('/').enumerate().all(in_place) {
        return Err(FrameError::TopicFilter);
    }
    Ok(())
}
