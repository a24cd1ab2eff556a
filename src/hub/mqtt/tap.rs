//! The telemetry tap: every device-to-cloud message as a line of JSON at the end of a file.
//!
//! A thread of its own writes, so that a slow disk holds nobody up but the devices that send. Between the two lies a queue
//! of [`TAP_QUEUE_MAX`]: when it is full, a message waits, and its PUBACK with it. Like all telemetry, lines are not
//! durable; when the file cannot be written any more, the tap ends with a word in the log, and the hub goes on.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::PathBuf;
use std::thread;
use std::time::Duration;

use bytes::Bytes;
use data_encoding::BASE64;
use serde::Serialize;
use tokio::sync::{Mutex, mpsc, oneshot};
use tokio::time::timeout;

use crate::hub::private_file::append_to_private_file;
use crate::model::limits::{DRAIN_S_MAX, TAP_QUEUE_MAX};
use crate::model::{DeviceId, ModuleId, TwinId};

/// Says why a tap cannot be opened.
#[derive(Debug, thiserror::Error)]
#[error("the file `{}` cannot be appended to: {source}", path.display())]
pub struct TapError {
    path: PathBuf,
    source: io::Error,
}

/// One message, as the queue holds it.
struct Tapped {
    from: TwinId,
    bag: String,
    body: Bytes,
}

/// One line of the file.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Line<'m> {
    device_id: &'m DeviceId,
    module_id: Option<&'m ModuleId>,
    bag: &'m str,
    body: String,
}

/// The way to the file.
#[derive(Debug)]
pub struct Tap {
    /// Nothing in the queue means that it is the end.
    queue: mpsc::Sender<Option<Tapped>>,
    /// Until somebody waited for it.
    written: Mutex<Option<oneshot::Receiver<()>>>,
}

impl std::fmt::Debug for Tapped {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Tapped({}, {} bytes)", self.from, self.body.len())
    }
}

impl Tap {
    /// Opens the file, new or not, for the owner alone, and starts to write behind what is there.
    ///
    /// # Errors
    /// [`TapError`] when it cannot be opened.
    pub fn open(path: PathBuf) -> Result<Self, TapError> {
        let file = append_to_private_file(&path);
        match file.and_then(|file| Self::start(file, path.clone())) {
            Ok(tap) => Ok(tap),
            Err(source) => Err(TapError { path, source }),
        }
    }

    fn start(file: File, path: PathBuf) -> io::Result<Self> {
        let (queue, messages) = mpsc::channel(TAP_QUEUE_MAX);
        let (done, written) = oneshot::channel();
        thread::Builder::new().name("telemetry-tap".to_owned()).spawn(move || {
            if let Err(error) = write_all(BufWriter::new(file), messages) {
                let path = path.display();
                tracing::error!(target: "iotjob::hub", %path, %error, "the telemetry tap ends here; its last line may be cut");
            }
            // Nobody may be waiting for the end.
            let _ = done.send(());
        })?;
        Ok(Self { queue, written: Mutex::new(Some(written)) })
    }

    /// Takes a message; waits while the queue is full.
    pub(super) async fn take(&self, from: TwinId, bag: String, body: Bytes) {
        // A tap that ended has said so; telemetry goes on without it.
        let _ = self.queue.send(Some(Tapped { from, bag, body })).await;
    }

    /// Lets what was taken be written, within the time that everything has when the hub stops.
    pub async fn finish(&self) {
        let all = async {
            let _ = self.queue.send(None).await;
            if let Some(written) = self.written.lock().await.take() {
                // An error means that the thread is gone, which is as good an end.
                let _ = written.await;
            }
        };
        if timeout(Duration::from_secs(DRAIN_S_MAX), all).await.is_err() {
            tracing::warn!(target: "iotjob::hub", "the telemetry tap did not take its last lines in {DRAIN_S_MAX} s");
        }
    }
}

/// Writes until the end, and flushes whenever nothing waits.
fn write_all(mut file: impl Write, mut messages: mpsc::Receiver<Option<Tapped>>) -> io::Result<()> {
    while let Some(Some(message)) = messages.blocking_recv() {
        write_line(&mut file, &message)?;
        loop {
            match messages.try_recv() {
                Ok(Some(message)) => write_line(&mut file, &message)?,
                Ok(None) => return file.flush(),
                Err(_) => break,
            }
        }
        file.flush()?;
    }
    Ok(())
}

fn write_line(file: &mut impl Write, message: &Tapped) -> io::Result<()> {
    let line = Line {
        device_id: &message.from.device,
        module_id: message.from.module.as_ref(),
        bag: &message.bag,
        body: BASE64.encode(&message.body),
    };
    serde_json::to_writer(&mut *file, &line)?;
    file.write_all(b"\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn device() -> TwinId {
        TwinId::device("d1".parse().unwrap())
    }

    #[tokio::test]
    async fn lines_are_appended_for_the_owner_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("tap.jsonl");
        std::fs::write(&path, "before\n").unwrap();
        let tap = Tap::open(path.clone()).unwrap();
        tap.take(device(), "%24.ct=text&k".to_owned(), Bytes::from_static(b"\x00\xFF")).await;
        let module = TwinId::module("d1".parse().unwrap(), "m".parse().unwrap());
        tap.take(module, String::new(), Bytes::new()).await;
        tap.finish().await;
        assert_eq!(
            std::fs::read_to_string(&path).unwrap(),
            "before\n\
             {\"deviceId\":\"d1\",\"moduleId\":null,\"bag\":\"%24.ct=text&k\",\"body\":\"AP8=\"}\n\
             {\"deviceId\":\"d1\",\"moduleId\":\"m\",\"bag\":\"\",\"body\":\"\"}\n"
        );
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        }
        // What comes after the end is nobody's, and harms nobody.
        tap.take(device(), String::new(), Bytes::new()).await;
        tap.finish().await;
    }

    #[test]
    fn a_file_that_cannot_be_opened_is_named() {
        let error = Tap::open("/no/such/folder/tap.jsonl".into()).unwrap_err();
        assert!(error.to_string().contains("/no/such/folder"), "{error}");
    }

    /// A file that takes so many bytes and no more.
    struct Full(usize);

    impl Write for Full {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0 = self.0.checked_sub(bytes.len()).ok_or(io::ErrorKind::StorageFull)?;
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[tokio::test]
    async fn a_full_queue_makes_the_sender_wait_and_a_broken_file_lets_it_go() {
        let (queue, messages) = mpsc::channel(1);
        let (_done, written) = oneshot::channel();
        let tap = Tap { queue, written: Mutex::new(Some(written)) };
        tap.take(device(), String::new(), Bytes::new()).await;
        let mut second = std::pin::pin!(tap.take(device(), String::new(), Bytes::new()));
        tokio::select! {
            biased;
            () = second.as_mut() => panic!("there is room for one"),
            () = std::future::ready(()) => {}
        }
        let writer = thread::spawn(move || write_all(Full(80), messages));
        second.await;
        tap.take(device(), String::new(), Bytes::new()).await;
        assert_eq!(writer.join().unwrap().unwrap_err().kind(), io::ErrorKind::StorageFull);
        tap.take(device(), String::new(), Bytes::new()).await;
    }
}
