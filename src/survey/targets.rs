//! Reads a run's targets: how many, who is offline, what would change.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use serde_json::Value;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio_util::task::AbortOnDropHandle;

use super::questions::{SourceOfRows, sources};
use super::{Names, Subject, Survey};
use crate::client::{ClientError, FetchedQueryPage, HubClient, QueryPages};
use crate::manifest::{Action, Target};
use crate::model::limits::{PAGE_ITEMS_MAX, PLAN_NAMED_MAX, PLAN_PAGES_AHEAD, PLAN_SPOT_CHECKS, PLAN_TWINS_AT_ONCE};
use crate::model::tier::{Operation, Tier};
use crate::model::{JsonObject, TwinId};
use crate::plan::{Change, Changes, Sections, Source, Targets, compare, time_for, touched};
use crate::run::Budget;

/// One target as it was read.
#[derive(Debug, Clone, PartialEq)]
pub struct Finding<'f> {
    /// The device, and the module behind a `/`.
    pub name: String,
    /// Whether it is connected.
    pub is_connected: bool,
    /// What the run would do to it.
    pub change: Change,
    action: &'f Action,
    now: Sections,
}

impl Finding<'_> {
    /// What the run would touch of it, as it is.
    #[must_use]
    pub fn touched(&self) -> Value {
        touched(self.action, &self.now)
    }
}

/// Hears of a survey as it goes on.
pub trait Watcher {
    /// A run's targets will be read: how many queries that takes, and how many seconds on the tier.
    fn begins(&mut self, run: &str, targets: u64, queries: u64, seconds: u64);
    /// A target was read.
    fn found(&mut self, run: &str, finding: &Finding<'_>);
}

/// What was seen of a run's targets.
pub(super) struct Looked {
    pub(super) targets: Targets,
    pub(super) changes: Changes,
    /// Twins that were compared with the index.
    pub(super) checked: usize,
    /// Those of them that have changed since.
    pub(super) stale: usize,
}

struct Reading<'r, 'a> {
    survey: &'r Survey<'a>,
    subject: &'r Subject<'r>,
    looked: Looked,
    not_seen: BTreeSet<String>,
    limit: u64,
}

impl Survey<'_> {
    /// Looks at the targets of one run.
    pub(super) async fn targets(
        &self,
        subject: &Subject<'_>,
        tier: Tier,
        watcher: &mut dyn Watcher,
    ) -> Result<Looked, ClientError> {
        let sources = sources(&subject.manifest.target);
        let counted = self.count(&sources).await?;
        let is_method = matches!(subject.manifest.action, Action::Method { .. });
        let is_listed = matches!(subject.manifest.target, Target::Devices(_));
        let targets = Targets { source: self.scope.source, ..counted.clone().unwrap_or_default() };
        let not_seen = match &subject.manifest.target {
            Target::Devices(ids) => ids.iter().map(ToString::to_string).collect(),
            Target::Condition { .. } => BTreeSet::new(),
        };
        let looked = Looked { targets, changes: Changes::new(), checked: 0, stale: 0 };
        let limit = self.scope.sample.unwrap_or(u64::MAX);
        let mut reading = Reading { survey: self, subject, looked, not_seen, limit };
        let by_name = !is_method || is_listed || self.scope.names == Names::All;
        match counted {
            Some(counted) if !by_name => reading.name_some_offline(&sources, counted.count - counted.connected).await?,
            counted => {
                let known = counted.as_ref().map(|counted| counted.count);
                let count = known.unwrap_or(0).min(limit);
                let queries = count.div_ceil(u64::try_from(PAGE_ITEMS_MAX).unwrap_or(u64::MAX));
                let seconds = time_for(tier, Operation::Query, queries).as_secs();
                watcher.begins(&subject.step.name, count, queries, seconds);
                reading.read(&sources, watcher).await?;
                reading.complete(known.is_some());
            }
        }
        Ok(reading.looked)
    }

    /// Counts by connectionState; `None` when a source cannot be counted.
    async fn count(&self, sources: &[SourceOfRows]) -> Result<Option<Targets>, ClientError> {
        let texts: Option<Vec<String>> = sources.iter().map(SourceOfRows::count).collect();
        let Some(texts) = texts else { return Ok(None) };
        let mut targets = Targets::default();
        for text in texts {
            self.take_query().await;
            let mut pages = self.client.query_pages(&text, PAGE_ITEMS_MAX);
            while let Some(page) = pages.next_page().await? {
                for row in page.rows {
                    let count = row.get("n").and_then(Value::as_u64).unwrap_or(0);
                    targets.count += count;
                    if is_connected(&row) {
                        targets.connected += count;
                    }
                }
            }
        }
        Ok(Some(targets))
    }
}

impl Survey<'_> {
    /// How many targets a run has; listed ids all count.
    ///
    /// # Errors
    /// [`ClientError`] of the first question that was not answered.
    pub async fn count_targets(&self, target: &Target) -> Result<u64, ClientError> {
        if let Target::Devices(ids) = target {
            return Ok(u64::try_from(ids.len()).unwrap_or(u64::MAX));
        }
        let sources = sources(target);
        if let Some(counted) = self.count(&sources).await? {
            return Ok(counted.count);
        }
        let mut count = 0;
        for source in &sources {
            let mut pages = self.client.query_pages(&source.identities(), PAGE_ITEMS_MAX);
            while pages.has_more() {
                count += u64::try_from(self.page(&mut pages).await?.len()).unwrap_or(u64::MAX);
            }
        }
        Ok(count)
    }

    /// The next page of a query, within the budget.
    pub(super) async fn page(&self, pages: &mut QueryPages) -> Result<Vec<Value>, ClientError> {
        self.take_query().await;
        Ok(pages.next_page().await?.map(|page| page.rows).unwrap_or_default())
    }

    /// How many devices the hub has.
    ///
    /// # Errors
    /// [`ClientError`] when the question was not answered.
    pub async fn count_hub(&self) -> Result<u64, ClientError> {
        self.take_query().await;
        let page = self.client.query_pages("SELECT COUNT() AS n FROM devices", 1).next_page().await?;
        let row = page.and_then(|page| page.rows.into_iter().next());
        Ok(row.and_then(|row| row.get("n").and_then(Value::as_u64)).unwrap_or(0))
    }
}

impl Reading<'_, '_> {
    /// A method touches nothing that could be compared: who is offline is all there is to see, and a page tells.
    async fn name_some_offline(&mut self, sources: &[SourceOfRows], offline: u64) -> Result<(), ClientError> {
        if offline == 0 {
            return Ok(());
        }
        for source in sources {
            let rows = self.survey.page(&mut self.pages(source)).await?;
            for row in rows.iter().filter(|row| !is_connected(row)) {
                self.name_offline(&name_of(row));
            }
        }
        Ok(())
    }

    fn name_offline(&mut self, name: &str) {
        if self.looked.targets.offline.len() < PLAN_NAMED_MAX {
            self.looked.targets.offline.push(name.to_owned());
        }
    }

    fn pages(&self, source: &SourceOfRows) -> QueryPages {
        let size = usize::try_from(self.limit).unwrap_or(usize::MAX).min(PAGE_ITEMS_MAX);
        self.survey.client.query_pages(&source.rows(&self.subject.manifest.action), size)
    }

    /// Compares page by page, while a task of its own fetches the next ones.
    async fn read(&mut self, sources: &[SourceOfRows], watcher: &mut dyn Watcher) -> Result<(), ClientError> {
        let page_size = u64::try_from(PAGE_ITEMS_MAX).unwrap_or(u64::MAX);
        for source in sources {
            let mut pages = self.pages(source);
            while pages.has_more() {
                let room = self.limit - self.looked.targets.read;
                if room == 0 {
                    break;
                }
                // Pages may be short: who wants more then fetches again.
                let mut ahead = FetchingAhead::start(pages, room.div_ceil(page_size), &self.survey.queries);
                while let Some(page) = ahead.pages.recv().await {
                    self.survey.asked.fetch_add(1, Ordering::Relaxed);
                    let mut rows = page?.read()?.rows;
                    let room = self.limit - self.looked.targets.read;
                    rows.truncate(usize::try_from(room).unwrap_or(usize::MAX));
                    self.take_page(rows, watcher).await?;
                }
                pages = ahead.rest().await;
            }
        }
        Ok(())
    }

    async fn take_page(&mut self, rows: Vec<Value>, watcher: &mut dyn Watcher) -> Result<(), ClientError> {
        let rows = match self.survey.scope.source {
            Source::Twins => exactly(self.survey.client, rows).await?,
            Source::Index => {
                self.check_spots(&rows).await?;
                rows
            }
        };
        for row in rows {
            let finding = finding(&self.subject.manifest.action, row);
            self.looked.targets.read += 1;
            self.not_seen.remove(&finding.name);
            if !finding.is_connected {
                self.name_offline(&finding.name);
            }
            watcher.found(&self.subject.step.name, &finding);
            self.looked.changes.add(&finding.name, finding.change);
        }
        Ok(())
    }

    /// Reads the first few twins themselves, to see whether the index shows what they are.
    async fn check_spots(&mut self, rows: &[Value]) -> Result<(), ClientError> {
        if matches!(self.subject.manifest.action, Action::Method { .. }) {
            return Ok(());
        }
        let room = PLAN_SPOT_CHECKS - self.looked.checked;
        let spots: Vec<Value> = rows.iter().take(room).cloned().collect();
        for (row, exact) in spots.iter().zip(exactly(self.survey.client, spots.clone()).await?) {
            self.looked.checked += 1;
            let action = &self.subject.manifest.action;
            if touched(action, &sections_of(row.clone())) != touched(action, &sections_of(exact)) {
                self.looked.stale += 1;
            }
        }
        Ok(())
    }

    /// What was read one by one fills in what could not be counted.
    fn complete(&mut self, is_counted: bool) {
        let Looked { targets, .. } = &mut self.looked;
        if !is_counted {
            targets.count = targets.read;
        }
        // A sample says nothing of who is missing.
        if self.limit == u64::MAX {
            targets.missing_count = u64::try_from(self.not_seen.len()).unwrap_or(u64::MAX);
            targets.missing = self.not_seen.iter().take(PLAN_NAMED_MAX).cloned().collect();
        }
    }
}

/// A task that fetches pages while somebody works on those before.
struct FetchingAhead {
    pages: mpsc::Receiver<Result<FetchedQueryPage, ClientError>>,
    task: AbortOnDropHandle<QueryPages>,
}

impl FetchingAhead {
    /// Fetches so many pages, or all there are, within the budget.
    fn start(mut rest: QueryPages, most: u64, queries: &Arc<Budget>) -> Self {
        let (fetched, pages) = mpsc::channel(PLAN_PAGES_AHEAD);
        let queries = Arc::clone(queries);
        let task = tokio::spawn(async move {
            for _ in 0..most {
                if !rest.has_more() {
                    break;
                }
                queries.take().await;
                let Some(page) = rest.fetch_page().await.transpose() else { break };
                let is_last = page.is_err();
                if fetched.send(page).await.is_err() || is_last {
                    break;
                }
            }
            rest
        });
        Self { pages, task: AbortOnDropHandle::new(task) }
    }

    /// What was not fetched.
    async fn rest(self) -> QueryPages {
        // A fetch that panicked must not look like the last page.
        self.task.await.unwrap_or_else(|ended| std::panic::resume_unwind(ended.into_panic()))
    }
}

/// The twins of some rows, read themselves; a twin that is gone meanwhile keeps its row.
async fn exactly(client: &HubClient, rows: Vec<Value>) -> Result<Vec<Value>, ClientError> {
    let mut exact = rows.clone();
    for (chunk, rows) in rows.chunks(PLAN_TWINS_AT_ONCE).enumerate() {
        let mut reads = JoinSet::new();
        for (index, row) in rows.iter().enumerate() {
            let Some(id) = id_of(row) else { continue };
            let client = client.clone();
            reads.spawn(async move { (index, client.twin(&id).await) });
        }
        while let Some(read) = reads.join_next().await {
            let Ok((index, twin)) = read else { continue };
            match twin {
                Ok(twin) => exact[chunk * PLAN_TWINS_AT_ONCE + index] = twin,
                Err(error) if error.is_not_found() => {}
                Err(error) => return Err(error),
            }
        }
    }
    Ok(exact)
}

fn finding(action: &Action, row: Value) -> Finding<'_> {
    let (name, is_connected) = (name_of(&row), is_connected(&row));
    let now = sections_of(row);
    Finding { name, is_connected, change: compare(action, &now), action, now }
}

fn id_of(row: &Value) -> Option<TwinId> {
    let text = |name: &str| row.get(name).and_then(Value::as_str);
    let device = text("deviceId")?.parse().ok()?;
    let module = match text("moduleId") {
        Some(module) if !module.is_empty() => Some(module.parse().ok()?),
        _ => None,
    };
    Some(TwinId { device, module })
}

fn name_of(row: &Value) -> String {
    let text = |name: &str| row.get(name).and_then(Value::as_str).unwrap_or_default();
    match text("moduleId") {
        "" => text("deviceId").to_owned(),
        module => format!("{}/{module}", text("deviceId")),
    }
}

fn is_connected(row: &Value) -> bool {
    row.get("connectionState").and_then(Value::as_str) == Some("Connected")
}

/// The sections of a row, whether it was projected or is a whole twin.
fn sections_of(mut row: Value) -> Sections {
    let section = |value: Option<&mut Value>| -> JsonObject {
        let Some(Value::Object(mut members)) = value.map(Value::take) else { return JsonObject::new() };
        // `$metadata` and `$version` are the service's own.
        members.retain(|key, _| !key.starts_with('$'));
        members
    };
    let tags = section(row.get_mut("tags"));
    let desired = match row.get("desired") {
        Some(_) => row.get_mut("desired"),
        None => row.pointer_mut("/properties/desired"),
    };
    Sections { tags, desired: section(desired) }
}
