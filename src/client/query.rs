//! Twin queries and per-device results, page by page (REST.md 5, 9).

use reqwest::Method;
use serde_json::{Value, json};

use super::bulk::RegistryEntry;
use super::error::ClientError;
use super::hub_client::HubClient;
use super::operation::Operation;
use super::pages::{FetchedPage, Page, Pages};
use super::retry::Repeat;
use super::transport::Call;
use crate::model::limits::PAGE_ITEMS_MAX;
use crate::model::{DeviceJob, JobId};

/// One page of a query's answer. It may be short or empty although more follow (REST.md 9).
#[derive(Debug, Clone, PartialEq)]
pub struct QueryPage {
    /// `Twin`, `Raw`, `DeviceJob`; live hubs have left it out (REST.md 4.8).
    pub item_type: Option<String>,
    /// The rows, as the service wrote them.
    pub rows: Vec<Value>,
}

impl From<Page> for QueryPage {
    fn from(Page { item_type, rows }: Page) -> Self {
        Self { item_type, rows }
    }
}

/// A page that was fetched and not read.
pub struct FetchedQueryPage(FetchedPage);

impl FetchedQueryPage {
    /// Reads it.
    ///
    /// # Errors
    /// [`ClientError`] when it holds no rows.
    pub fn read(&self) -> Result<QueryPage, ClientError> {
        self.0.read().map(QueryPage::from)
    }
}

/// A query under way.
pub struct QueryPages(Pages);

impl QueryPages {
    /// Whether another page is to be asked for; each costs a query of the hub's budget.
    #[must_use]
    pub fn has_more(&self) -> bool {
        self.0.has_more()
    }

    /// The next page; `None` after the last. After an error the same page can be asked for again.
    ///
    /// # Errors
    /// [`ClientError`]; a query that the hub cannot read is a 400 `ArgumentInvalid` (REST.md 9).
    pub async fn next_page(&mut self) -> Result<Option<QueryPage>, ClientError> {
        let page = self.0.next_page().await?;
        Ok(page.map(QueryPage::from))
    }

    /// The same without a look into it: the hub makes the next one while this one is read.
    ///
    /// # Errors
    /// As [`Self::next_page`].
    pub async fn fetch_page(&mut self) -> Result<Option<FetchedQueryPage>, ClientError> {
        Ok(self.0.fetch().await?.map(FetchedQueryPage))
    }
}

/// The query for the rows of a job's devices. Takes any text as id, quotes included.
#[must_use]
pub fn device_jobs_query(job_id: &str) -> String {
    format!("SELECT * FROM devices.jobs WHERE devices.jobs.jobId = {}", quoted(job_id))
}

/// A text as a query writes it.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\\', "\\\\").replace('\'', "\\'"))
}

impl HubClient {
    /// Starts a query; nothing is sent before the first page is asked for. At most 100 rows come on a page.
    #[must_use]
    pub fn query_pages(&self, text: &str, page_size: usize) -> QueryPages {
        let call = Call::new(Operation::Query, Repeat::Freely, Method::POST, &["devices", "query"])
            .expect("the path's segments are not empty")
            .json(&json!({ "query": text }));
        QueryPages(Pages::new(self.clone(), call, page_size))
    }

    /// Reads the rows of all of a job's devices; `on_page` hears of each page as it comes. A page costs one query of
    /// the hub's few (20 a minute on S1, REST.md 10).
    ///
    /// # Errors
    /// [`ClientError`]; what was read before is lost, except for what `on_page` kept.
    pub async fn device_jobs(
        &self,
        id: &JobId,
        mut on_page: impl FnMut(&[DeviceJob]),
    ) -> Result<Vec<DeviceJob>, ClientError> {
        let mut pages = self.query_pages(&device_jobs_query(id.as_str()), PAGE_ITEMS_MAX);
        let mut all = Vec::new();
        while let Some(page) = pages.next_page().await? {
            let rows = self.device_job_rows(page)?;
            on_page(&rows);
            all.extend(rows);
        }
        Ok(all)
    }

    /// The devices whose identities have this `statusReason`, as the hub's index shows them: it is behind by seconds or
    /// minutes.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn devices_with_status_reason(&self, reason: &str) -> Result<Vec<RegistryEntry>, ClientError> {
        let text = format!(
            "SELECT deviceId, deviceEtag, authenticationType FROM devices WHERE statusReason = {}",
            quoted(reason)
        );
        let mut pages = self.query_pages(&text, PAGE_ITEMS_MAX);
        let mut all = Vec::new();
        while let Some(page) = pages.next_page().await? {
            for row in page.rows {
                all.push(
                    serde_json::from_value(row).map_err(|error| {
                        self.bad_row(Operation::Query, "an array of devices with their etags", &error)
                    })?,
                );
            }
        }
        Ok(all)
    }

    /// Reads a page as rows of `devices.jobs`.
    ///
    /// # Errors
    /// [`ErrorKind::BadAnswer`](super::ErrorKind::BadAnswer) when a row is none.
    pub fn device_job_rows(&self, page: QueryPage) -> Result<Vec<DeviceJob>, ClientError> {
        let rows: Result<Vec<DeviceJob>, _> = page.rows.into_iter().map(serde_json::from_value).collect();
        rows.map_err(|error| self.bad_row(Operation::Query, "an array of device jobs", &error))
    }
}
