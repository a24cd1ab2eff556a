//! A disk that remembers what was synced: a crash loses some or all of the rest, write by write.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use redb::StorageBackend;

use crate::chance::Chance;

/// The disk. It outlives the hubs that use it, one after the other.
#[derive(Debug, Clone, Default)]
pub(crate) struct Disk(Arc<Mutex<State>>);

/// One hub's hold on the disk; of no use after a crash.
#[derive(Debug)]
pub(crate) struct Mount {
    disk: Disk,
    life: u64,
}

/// When the power fails: around a sync, since only a sync decides what is kept.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Failure {
    /// The sync never happens.
    BeforeSync,
    /// It does, and nobody hears of it.
    AfterSync,
}

#[derive(Debug, Default)]
struct State {
    /// What a crash leaves for certain.
    durable: Vec<u8>,
    /// What the hub sees.
    current: Vec<u8>,
    unsynced: Vec<Op>,
    life: u64,
    armed: Option<(u64, Failure)>,
    failed: bool,
}

#[derive(Debug)]
enum Op {
    Write { offset: usize, data: Vec<u8> },
    SetLen(usize),
}

impl Op {
    fn apply(&self, image: &mut Vec<u8>) {
        match self {
            Self::SetLen(len) => image.resize(*len, 0),
            Self::Write { offset, data } => {
                let end = offset + data.len();
                if image.len() < end {
                    image.resize(end, 0);
                }
                image[*offset..end].copy_from_slice(data);
            }
        }
    }
}

impl Disk {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn mount(&self) -> Mount {
        Mount { disk: self.clone(), life: self.state().life }
    }

    /// Lets the power fail at the `syncs`th sync from now.
    pub(crate) fn arm(&self, syncs: u64, failure: Failure) {
        self.state().armed = Some((syncs, failure));
    }

    /// Whether the power failed since the last crash was cleared up.
    pub(crate) fn has_failed(&self) -> bool {
        self.state().failed
    }

    /// Ends the life of whoever holds the disk. Of what was not synced nothing is kept, or all, or some writes.
    pub(crate) fn crash(&self, chance: &Chance) {
        let mut state = self.state();
        let State { durable, unsynced, .. } = &mut *state;
        // By place and not by order: the database may write its pages in any.
        let (kept_of_8, salt) = (*chance.pick(&[0, 0, 4, 8]), chance.number());
        for op in unsynced.drain(..) {
            let kept = match &op {
                Op::SetLen(_) => true,
                Op::Write { offset, .. } => hashed(salt, *offset) % 8 < kept_of_8,
            };
            if kept {
                op.apply(durable);
            }
        }
        state.current = state.durable.clone();
        state.life += 1;
        state.armed = None;
        state.failed = false;
    }
}

fn hashed(salt: u64, offset: usize) -> u64 {
    let mut hasher = DefaultHasher::new();
    (salt, offset).hash(&mut hasher);
    hasher.finish()
}

impl Mount {
    fn state(&self) -> io::Result<MutexGuard<'_, State>> {
        let state = self.disk.state();
        if state.failed || state.life != self.life { Err(io::Error::other("the power is off")) } else { Ok(state) }
    }

    fn change(&self, op: Op) -> io::Result<()> {
        let mut state = self.state()?;
        op.apply(&mut state.current);
        state.unsynced.push(op);
        Ok(())
    }
}

fn place(offset: u64) -> usize {
    usize::try_from(offset).expect("the disk is small")
}

impl StorageBackend for Mount {
    fn len(&self) -> io::Result<u64> {
        Ok(self.state()?.current.len() as u64)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let (state, offset) = (self.state()?, place(offset));
        let stored = state.current.get(offset..offset + out.len()).ok_or(io::ErrorKind::UnexpectedEof)?;
        out.copy_from_slice(stored);
        Ok(())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.change(Op::SetLen(place(len)))
    }

    fn sync_data(&self) -> io::Result<()> {
        let mut state = self.state()?;
        let failure = match &mut state.armed {
            Some((1, failure)) => Some(*failure),
            Some((syncs, _)) => {
                *syncs -= 1;
                None
            }
            None => None,
        };
        if !matches!(failure, Some(Failure::BeforeSync)) {
            let State { durable, unsynced, .. } = &mut *state;
            unsynced.drain(..).for_each(|op| op.apply(durable));
        }
        state.failed = failure.is_some();
        if state.failed { Err(io::Error::other("the power fails")) } else { Ok(()) }
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.change(Op::Write { offset: place(offset), data: data.to_vec() })
    }
}
