//! Signals: the first asks runs to be left, the second leaves at once.

use tokio_util::sync::CancellationToken;

/// Two wishes to end, one after the other. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Stop {
    asked: CancellationToken,
    insisted: CancellationToken,
}

impl Stop {
    /// A wish that nobody has yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Listens to Ctrl-C, and on Unix to SIGTERM, for as long as the runtime lives.
    #[must_use]
    pub fn on_signals() -> Self {
        let stop = Self::new();
        let listener = stop.clone();
        tokio::spawn(async move {
            while !listener.insisted.is_cancelled() {
                next_signal().await;
                listener.ask();
            }
        });
        stop
    }

    /// Asks; the second time, insists.
    pub fn ask(&self) {
        if self.asked.is_cancelled() {
            self.insisted.cancel();
        }
        self.asked.cancel();
    }

    /// Waits until somebody asks.
    pub async fn asked(&self) {
        self.asked.cancelled().await;
    }

    /// Waits until somebody asks for the second time.
    pub async fn insisted(&self) {
        self.insisted.cancelled().await;
    }
}

#[cfg(unix)]
async fn next_signal() {
    use tokio::signal::unix::{SignalKind, signal};

    match signal(SignalKind::terminate()) {
        Ok(mut terminate) => {
            tokio::select! {
                _ = terminate.recv() => {}
                () = interrupt() => {}
            }
        }
        Err(_) => interrupt().await,
    }
}

#[cfg(not(unix))]
async fn next_signal() {
    interrupt().await;
}

async fn interrupt() {
    if tokio::signal::ctrl_c().await.is_err() {
        // Without a handler the system's own stays in place, and that ends the process.
        std::future::pending::<()>().await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_second_wish_insists() {
        let stop = Stop::new();
        stop.ask();
        stop.asked().await;
        assert!(!stop.insisted.is_cancelled());
        stop.ask();
        stop.insisted().await;
    }
}
