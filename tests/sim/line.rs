//! The line between a device and the hub: a pipe that may be late, cut frames in half, stall, or break.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use iotjob::hub::mqtt::DeviceStream;
use iotjob::tls::CertificateDer;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, DuplexStream, ReadBuf, duplex, split};
use tokio::time::sleep;

use crate::chance::Chance;
use crate::faults::LineFaults;

/// Bytes that are under way at most on a good line, and on one whose reader is slow.
const ROOM: usize = 16 * 1024;
const LITTLE_ROOM: usize = 64;

/// The hub's end.
pub(crate) struct HubEnd(DuplexStream);

/// One direction's faults.
struct Direction {
    /// Bytes that pass at once.
    most: usize,
    late_ms_max: u64,
    /// After so many bytes the line breaks, often in the middle of a frame.
    breaks_after: Option<u64>,
    /// After so many bytes nothing passes for a while.
    stalls_after: Option<(u64, Duration)>,
    chance: Chance,
}

/// A line: the device's end and the hub's.
pub(crate) fn lay(faults: &LineFaults, chance: &Chance) -> (DuplexStream, HubEnd) {
    let chance = chance.branch();
    let slow_reader = chance.hits(faults.slow_reader);
    let directions = [(), ()].map(|()| Direction {
        most: if slow_reader || chance.hits(faults.half_frames) { to_usize(chance.between(1, 40)) } else { ROOM },
        late_ms_max: if slow_reader {
            5_000
        } else if chance.hits(faults.late) {
            *chance.pick(&[10, 500, 20_000])
        } else {
            0
        },
        breaks_after: chance.hits(faults.cut).then(|| chance.between(1, 3_000)),
        stalls_after: chance.hits(faults.stalled).then(|| (chance.between(1, 3_000), chance.ms(1_000, 1_800_000))),
        chance: chance.branch(),
    });
    if directions.iter().all(Direction::is_good) {
        let (near, far) = duplex(ROOM);
        return (near, HubEnd(far));
    }
    let room = if slow_reader { LITTLE_ROOM } else { ROOM };
    let ((device, near), (far, hub)) = (duplex(room), duplex(room));
    let [up, down] = directions;
    tokio::spawn(async move {
        let ((near_read, near_write), (far_read, far_write)) = (split(near), split(far));
        // Whichever direction ends takes the line with it.
        tokio::select! {
            biased;
            _ = up.carry(near_read, far_write) => {}
            _ = down.carry(far_read, near_write) => {}
        }
    });
    (device, HubEnd(hub))
}

fn to_usize(number: u64) -> usize {
    usize::try_from(number).expect("a small number")
}

impl Direction {
    fn is_good(&self) -> bool {
        self.most == ROOM && self.late_ms_max == 0 && self.breaks_after.is_none() && self.stalls_after.is_none()
    }

    async fn carry(mut self, mut from: impl AsyncRead + Unpin, mut to: impl AsyncWrite + Unpin) -> io::Result<()> {
        let (mut buffer, mut passed) = (vec![0; self.most], 0);
        loop {
            let count = from.read(&mut buffer).await?;
            if count == 0 {
                return Ok(());
            }
            if self.late_ms_max > 0 {
                sleep(self.chance.ms(0, self.late_ms_max)).await;
            }
            if let Some((_, pause)) = self.stalls_after.take_if(|(after, _)| passed + count as u64 > *after) {
                sleep(pause).await;
            }
            let left = self.breaks_after.map_or(u64::MAX, |after| after.saturating_sub(passed));
            let fits = count.min(usize::try_from(left).unwrap_or(usize::MAX));
            to.write_all(&buffer[..fits]).await?;
            if fits < count {
                return Ok(());
            }
            passed += count as u64;
        }
    }
}

impl AsyncRead for HubEnd {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, buffer)
    }
}

impl AsyncWrite for HubEnd {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}

impl DeviceStream for HubEnd {
    fn acknowledge_at_once(&self) {}

    fn client_certificates(&self) -> Option<&[CertificateDer<'static>]> {
        None
    }
}
