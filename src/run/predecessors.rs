//! Which runs have to succeed before another may begin.

use std::collections::BTreeMap;

use tokio::sync::watch;

use super::verdict::Verdict;

/// Told what a run has come to, once it has.
pub(super) type Done = watch::Sender<Option<Verdict>>;

/// The runs of one command, by name.
#[derive(Default)]
pub(super) struct Announced {
    runs: BTreeMap<String, watch::Receiver<Option<Verdict>>>,
}

impl Announced {
    /// Makes a run known; whoever carries it out tells the sender how it ended.
    pub(super) fn run(&mut self, name: String) -> Done {
        let (sender, receiver) = watch::channel(None);
        self.runs.insert(name, receiver);
        sender
    }

    /// The runs called `names`. All of them are known: the manifests' checks saw to that.
    pub(super) fn predecessors(&self, names: &[String]) -> Predecessors {
        let known = names.iter().filter_map(|name| Some((name.clone(), self.runs.get(name)?.clone())));
        Predecessors { runs: known.collect() }
    }
}

/// The runs that come before one.
pub(super) struct Predecessors {
    runs: Vec<(String, watch::Receiver<Option<Verdict>>)>,
}

/// A predecessor that did not succeed.
pub(super) struct Unsuccessful {
    /// Its name.
    pub(super) name: String,
    /// What it came to.
    pub(super) verdict: Verdict,
}

impl Predecessors {
    /// For a run that may begin at once.
    pub(super) fn none() -> Self {
        Self { runs: Vec::new() }
    }

    /// Whether there is none.
    pub(super) fn is_empty(&self) -> bool {
        self.runs.is_empty()
    }

    /// Their names.
    pub(super) fn names(&self) -> Vec<String> {
        self.runs.iter().map(|(name, _)| name.clone()).collect()
    }

    /// Waits until all have succeeded, or the first has not.
    pub(super) async fn succeed(self) -> Result<(), Unsuccessful> {
        let ends = self.runs.into_iter().map(|(name, mut done)| async move {
            let verdict = match done.wait_for(Option::is_some).await {
                Ok(verdict) => verdict.unwrap_or(Verdict::Unexpected),
                // Its task is gone without a word.
                Err(_) => Verdict::Unexpected,
            };
            if verdict == Verdict::Done { Ok(()) } else { Err(Unsuccessful { name, verdict }) }
        });
        futures_util::future::try_join_all(ends).await.map(drop)
    }
}
