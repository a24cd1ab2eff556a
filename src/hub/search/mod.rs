//! Queries over the store: narrow, walk, filter, and answer page by page (REST.md 9).
//!
//! A page is made from one snapshot and holds its own rows only. The next page starts after the last row that was
//! given: the continuation token says which, and nothing is kept between pages. Rows come in the order of their ids;
//! the service promises none.

mod continuation;
mod page;
mod rows;
#[cfg(test)]
mod tests;

pub use continuation::InvalidContinuation;
pub use page::{Page, PageRequest, SearchError, run};
