//! The `api-version` of a request: any plausible one is served (REST.md 1.1).

use axum::http::Uri;

use super::error::Refusal;
use crate::model::ErrorCode;

/// Refuses a request whose api-version is missing or is not of the form `2021-04-12` or `2020-05-31-preview`.
pub(super) fn check(uri: &Uri) -> Result<(), Refusal> {
    let given = uri.query().unwrap_or_default().split('&').find_map(|pair| {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        name.eq_ignore_ascii_case("api-version").then_some(value)
    });
    match given {
        Some(version) if is_plausible(version) => Ok(()),
        Some(version) => Err(refusal(format!("The api-version '{version}' is not valid."))),
        None => Err(refusal("The request has no api-version query parameter.".to_owned())),
    }
}

// conformance-choice: REST.md 1.1: a missing api-version is 400 InvalidProtocolVersion
fn refusal(message: String) -> Refusal {
    Refusal::new(ErrorCode::InvalidProtocolVersion, message)
}

fn is_plausible(version: &str) -> bool {
    let Some((date, suffix)) = version.split_at_checked(10) else { return false };
    let is_date = date.bytes().enumerate().all(|(index, byte)| match index {
        4 | 7 => byte == b'-',
        _ => byte.is_ascii_digit(),
    });
    let is_suffix = suffix.is_empty()
        || suffix.strip_prefix('-').is_some_and(|word| {
            !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
        });
    is_date && is_suffix
}

#[cfg(test)]
mod tests {
    use super::*;

    // conformance: REST.md 1.1: every api-version of the right form is served, previews too
    #[test]
    fn every_version_that_clients_send_is_served() {
        for query in [
            "api-version=2016-11-14",
            "top=5&api-version=2021-04-12",
            "api-version=2020-05-31-preview",
            "API-Version=2024-03-31&jobType=x",
        ] {
            let uri: Uri = format!("/devices?{query}").parse().unwrap();
            assert_eq!(check(&uri), Ok(()), "{query}");
        }
    }

    // conformance: REST.md 1.1: a missing api-version is 400 InvalidProtocolVersion
    #[test]
    fn a_missing_or_malformed_version_is_refused() {
        for query in
            ["", "api-version", "api-version=", "api-version=1", "api-version=2021-04-1x", "api-version=2021-04-12-"]
        {
            let uri: Uri = format!("/devices?{query}").parse().unwrap();
            let refusal = check(&uri).expect_err(query);
            assert_eq!(refusal.error.code, ErrorCode::InvalidProtocolVersion, "{query}");
        }
    }
}
