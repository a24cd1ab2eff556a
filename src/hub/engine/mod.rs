//! The hub's synchronous core and the handle through which the edges reach it.
//!
//! [`Engine`] is a function of its state, a command and the time: it never waits, never asks for the time, and names
//! no socket. Its [`EngineHandle`] runs it on one thread, or in one task of a simulation: a batch of
//! commands, one commit, then their replies.
//!
//! - Nothing leaves (no reply, no notice) before the commit that holds what it says.
//! - A refused command has changed nothing.
//! - Jobs work in steps of bounded size, so that other commands get their turn in between.
//! - No event costs more than its own share: whatever waits is found by index, not by search.

mod command;
mod dispatch;
mod driver;
mod handle;
mod job;
mod method;
mod pace;
mod registry;
mod request;
mod row;
mod scopes;
mod session;
mod target;
#[cfg(test)]
mod tests;
mod timer;
mod twin;
mod writer;

use std::collections::{BTreeMap, BTreeSet};

use foldhash::{HashMap, HashMapExt};
use jiff::Timestamp;

pub use command::{Applied, Command, Completion, Effects, NewKeys, Reply, Ticket};
pub use handle::{EngineHandle, EngineOptions};
pub use session::{SessionKind, SessionOpened};

use self::command::Fault;
use self::job::{ActiveJob, RunQueue};
use self::method::{Call, Waiting, WaitingCall};
use self::pace::Pace;
use self::session::Connection;
use self::timer::{Timer, Timers};
use super::Fidelity;
use super::notice::{CallId, ConnectionId};
use super::store::{StoreError, WriteTables};
use crate::model::limits::ENGINE_TIMERS_MAX;
use crate::model::{JobId, Rng, TwinId};
use crate::query::Strictness;

/// The hub's state machine: what is not in the tables is here, and is what a restart may forget.
pub struct Engine {
    rng: Rng,
    connections: HashMap<ConnectionId, Connection>,
    online: HashMap<TwinId, ConnectionId>,
    calls: HashMap<CallId, Call>,
    waiting: HashMap<TwinId, Waiting>,
    waiting_calls: HashMap<Ticket, WaitingCall>,
    jobs: BTreeMap<JobId, Box<ActiveJob>>,
    run_queue: RunQueue,
    unsaved_jobs: BTreeSet<JobId>,
    timers: Timers,
    pace: Pace,
    strictness: Strictness,
    effects: Effects,
    last_call: u64,
    last_ticket: u64,
}

/// One turn of the engine: the open transaction and the time.
pub(crate) struct Turn<'a, 't> {
    pub(crate) tables: &'a mut WriteTables<'t>,
    pub(crate) now: Timestamp,
}

impl Engine {
    /// Takes up the state that a store was left in; jobs that were under way go on.
    ///
    /// # Errors
    /// [`StoreError`] when the store cannot be read.
    pub fn restore(rng: Rng, tables: &mut WriteTables<'_>, now: Timestamp) -> Result<Self, StoreError> {
        let start = tables.count_start()?;
        let mut engine = Self {
            rng,
            connections: HashMap::new(),
            online: HashMap::new(),
            calls: HashMap::new(),
            waiting: HashMap::new(),
            waiting_calls: HashMap::new(),
            jobs: BTreeMap::new(),
            run_queue: RunQueue::default(),
            unsaved_jobs: BTreeSet::new(),
            timers: Timers::default(),
            pace: Pace::of(None),
            strictness: Strictness::Lenient,
            effects: Effects::default(),
            // A device may answer, after our restart, a call of our former life: its number must not come again.
            last_call: u64::from(start) << 32,
            last_ticket: 0,
        };
        engine.restore_jobs(&mut Turn { tables, now: whole_ticks(now) })?;
        Ok(engine)
    }

    /// Takes over what `fidelity` asks of jobs.
    #[must_use]
    pub fn with_fidelity(mut self, fidelity: Fidelity) -> Self {
        self.pace = Pace::of(fidelity.tier);
        self.strictness = fidelity.strictness;
        self
    }

    /// Carries out one command.
    ///
    /// # Errors
    /// [`StoreError`] when the store failed: the transaction must be dropped and the engine with it.
    pub fn apply(
        &mut self,
        command: Command,
        tables: &mut WriteTables<'_>,
        now: Timestamp,
    ) -> Result<Applied, StoreError> {
        let mut turn = Turn { tables, now: whole_ticks(now) };
        let reply = match self.carry_out(command, &mut turn) {
            Ok(reply) => Ok(reply),
            Err(Fault::Refused(error)) => Err(*error),
            Err(Fault::Store(error)) => return Err(error),
        };
        Ok(Applied { reply, effects: std::mem::take(&mut self.effects) })
    }

    fn carry_out(&mut self, command: Command, turn: &mut Turn<'_, '_>) -> Result<Reply, Fault> {
        match command {
            Command::CreateIdentity(draft) => self.create_identity(draft, turn),
            Command::ReplaceIdentity { draft, if_match } => self.replace_identity(draft, &if_match, turn),
            Command::DeleteIdentity { id, if_match } => self.delete_identity(&id, &if_match, turn),
            Command::RegenerateKeys { id, new } => Self::regenerate_keys(&id, new, turn),
            Command::FillTwin { id, content } => Self::fill_twin(&id, content, turn),
            Command::PatchTwin { id, patch, if_match } => self.patch_twin(&id, patch, &if_match, turn),
            Command::ReplaceTwin { id, content, if_match } => self.replace_twin(&id, content, &if_match, turn),
            Command::Report { id, patch, base_version } => Self::report(&id, &patch, base_version, turn),
            Command::InvokeMethod { target, request } => self.invoke_method(target, request, turn),
            Command::MethodAnswered { connection, call, response } => {
                self.method_answered(connection, call, response, turn)
            }
            Command::CreateJob(request) => self.create_job(request, turn),
            Command::CancelJob(id) => self.cancel_job(&id, turn),
            Command::Connect { id, connection, session } => self.connect(id, connection, session, turn),
            Command::Subscribe { connection, subscriptions } => self.subscribe(connection, &subscriptions, turn),
            Command::Unsubscribe { connection, subscriptions } => self.unsubscribe(connection, &subscriptions, turn),
            Command::Disconnect(connection) => self.disconnect(connection, turn),
        }
    }

    /// Does what is due without anybody asking: timers, then one step of one job.
    ///
    /// # Errors
    /// As [`Self::apply`].
    pub fn advance(&mut self, tables: &mut WriteTables<'_>, now: Timestamp) -> Result<Effects, StoreError> {
        let mut turn = Turn { tables, now: whole_ticks(now) };
        for _ in 0..ENGINE_TIMERS_MAX {
            let Some(timer) = self.timers.pop_due(turn.now) else { break };
            self.fire(timer, &mut turn)?;
        }
        if let Some(job) = self.run_queue.pop() {
            self.step_job(&job, &mut turn)?;
        }
        Ok(std::mem::take(&mut self.effects))
    }

    fn fire(&mut self, timer: Timer, turn: &mut Turn<'_, '_>) -> Result<(), StoreError> {
        match timer {
            Timer::Response(call) => self.response_overdue(call, turn),
            Timer::Connect(ticket) => {
                self.connect_overdue(ticket);
                Ok(())
            }
            Timer::Start(job) | Timer::Pace(job) => {
                self.run_queue.push(job);
                Ok(())
            }
            Timer::Deadline(job) => self.job_overdue(&job, turn),
            Timer::Forget(job) => turn.tables.remove_job(&job),
        }
    }

    /// Writes what the batch left to be written once; call it before the commit.
    ///
    /// # Errors
    /// As [`Self::apply`].
    pub fn flush(&mut self, tables: &mut WriteTables<'_>) -> Result<(), StoreError> {
        for id in std::mem::take(&mut self.unsaved_jobs) {
            if let Some(job) = self.jobs.get(&id) {
                tables.put_job(&job.record)?;
            }
        }
        Ok(())
    }

    /// Whether [`Self::advance`] has something to do at `now`.
    #[must_use]
    pub fn has_work(&self, now: Timestamp) -> bool {
        !self.run_queue.is_empty() || self.next_timer().is_some_and(|due| due <= now)
    }

    /// When the next timer is due.
    #[must_use]
    pub fn next_timer(&self) -> Option<Timestamp> {
        self.timers.next()
    }
}

/// Cuts a time to the service's 100 ns, so that what is kept in memory equals what is read back (REST.md 1.5).
fn whole_ticks(now: Timestamp) -> Timestamp {
    let nanoseconds = now.as_nanosecond();
    Timestamp::from_nanosecond(nanoseconds - nanoseconds.rem_euclid(100)).unwrap_or(now)
}
