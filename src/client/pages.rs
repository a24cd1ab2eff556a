//! Listings that come in pages: the token of one answer goes into the next request (REST.md 4.8, 9).

use reqwest::header::{HeaderName, HeaderValue};
use serde_json::Value;

use super::error::{BadAnswer, ClientError};
use super::hub_client::HubClient;
use super::transport::{Answer, Call};
use crate::model::limits::{EMPTY_PAGES_MAX, PAGE_ITEMS_MAX};

const MAX_ITEM_COUNT: HeaderName = HeaderName::from_static("x-ms-max-item-count");
const CONTINUATION: HeaderName = HeaderName::from_static("x-ms-continuation");
const ITEM_TYPE: HeaderName = HeaderName::from_static("x-ms-item-type");

/// A listing under way.
pub(super) struct Pages {
    client: HubClient,
    call: Call,
    next: Next,
    empty_in_a_row: usize,
}

#[derive(Clone)]
enum Next {
    First,
    After(HeaderValue),
    Done,
}

/// A page as it came.
pub(super) struct FetchedPage(Answer);

impl FetchedPage {
    /// Looks into it.
    pub(super) fn read(&self) -> Result<Page, ClientError> {
        let rows = self.0.json("an array of rows")?;
        let item_type = self.0.headers.get(ITEM_TYPE).and_then(|value| value.to_str().ok()).map(str::to_owned);
        Ok(Page { item_type, rows })
    }

    fn is_empty(&self) -> bool {
        self.0.body.iter().filter(|byte| !byte.is_ascii_whitespace()).take(3).eq(b"[]")
    }
}

/// One page. It may be short or empty although more follow.
pub(super) struct Page {
    pub(super) item_type: Option<String>,
    pub(super) rows: Vec<Value>,
}

impl Pages {
    pub(super) fn new(client: HubClient, call: Call, page_size: usize) -> Self {
        let size = page_size.clamp(1, PAGE_ITEMS_MAX);
        let call = call.header(MAX_ITEM_COUNT, HeaderValue::from(size));
        Self { client, call, next: Next::First, empty_in_a_row: 0 }
    }

    /// Whether another page is to be asked for.
    pub(super) fn has_more(&self) -> bool {
        !matches!(self.next, Next::Done)
    }

    /// The next page; `None` after the last. After an error the same page can be asked for again.
    pub(super) async fn next_page(&mut self) -> Result<Option<Page>, ClientError> {
        let here = self.next.clone();
        let Some(fetched) = self.fetch().await? else { return Ok(None) };
        let page = fetched.read();
        if page.is_err() {
            self.next = here;
        }
        page.map(Some)
    }

    /// The same without a look into it, for who asks for the one after it first.
    pub(super) async fn fetch(&mut self) -> Result<Option<FetchedPage>, ClientError> {
        let call = match &self.next {
            Next::First => self.call.clone(),
            Next::After(token) => self.call.clone().header(CONTINUATION, token.clone()),
            Next::Done => return Ok(None),
        };
        let fetched = FetchedPage(self.client.send(&call).await?);
        self.empty_in_a_row = if fetched.is_empty() { self.empty_in_a_row + 1 } else { 0 };
        self.next = match fetched.0.headers.get(CONTINUATION).filter(|token| !token.is_empty()) {
            None => Next::Done,
            Some(_) if self.empty_in_a_row >= EMPTY_PAGES_MAX => {
                return Err(fetched.0.bad(BadAnswer::EndlessPages(EMPTY_PAGES_MAX)));
            }
            Some(token) => Next::After(token.clone()),
        };
        Ok(Some(fetched))
    }
}
