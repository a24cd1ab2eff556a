//! Finds tags in a condition that no device has: a slip that a hub answers with no devices and no word.

use super::{Subject, Survey};
use crate::client::ClientError;
use crate::manifest::{Action, Manifest, Target};
use crate::model::limits::{PAGE_ITEMS_MAX, PLAN_TAGS_MAX};
use crate::query::{Collection, Reads};
use serde_json::Value;

impl Survey<'_> {
    /// A warning for each tag of the condition that no device has; one that a patch of the same plan sets will be there.
    pub(super) async fn unknown_tags(
        &self,
        manifest: &Manifest,
        plan: &[Subject<'_>],
    ) -> Result<Vec<String>, ClientError> {
        let Target::Condition { condition, .. } = &manifest.target else { return Ok(Vec::new()) };
        let Reads::Paths(paths) = condition.filter_reads() else { return Ok(Vec::new()) };
        let mut tags: Vec<Vec<String>> =
            paths.into_iter().filter(|path| condition.collection() == Collection::Devices && is_tag(path)).collect();
        tags.sort();
        tags.dedup();
        let mut warnings = Vec::new();
        let mut known = None;
        for path in tags.iter().take(PLAN_TAGS_MAX) {
            if self.has_tag(path).await? {
                continue;
            }
            if let Some(setter) = plan.iter().map(|subject| subject.manifest).find(|other| sets(other, path)) {
                let tag = path.join(".");
                warnings.push(format!("no device has `{tag}` yet: `{}` of this plan sets it", setter.name));
                continue;
            }
            let known = match &mut known {
                Some(known) => known,
                None => known.insert(self.tags_of_some_devices().await?),
            };
            let help =
                nearest(&path.join("."), known).map_or_else(String::new, |meant| format!("; did you mean `{meant}`?"));
            warnings.push(format!("no device has `{}`{help}", path.join(".")));
        }
        Ok(warnings)
    }

    /// Asks for one device that has it: counting them all would have the hub read every twin.
    async fn has_tag(&self, path: &[String]) -> Result<bool, ClientError> {
        let text = format!("SELECT deviceId FROM devices WHERE IS_DEFINED({})", written(path));
        let mut pages = self.client.query_pages(&text, 1);
        while pages.has_more() {
            if !self.page(&mut pages).await?.is_empty() {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// The tags of a page of devices: enough to guess what was meant.
    async fn tags_of_some_devices(&self) -> Result<Vec<String>, ClientError> {
        self.take_query().await;
        let page = self.client.query_pages("SELECT tags FROM devices", PAGE_ITEMS_MAX).next_page().await?;
        let mut names = Vec::new();
        for row in page.map(|page| page.rows).unwrap_or_default() {
            collect("tags", row.get("tags"), &mut names);
        }
        names.sort();
        names.dedup();
        Ok(names)
    }
}

/// Whether the manifest's patch gives twins that tag.
fn sets(manifest: &Manifest, path: &[String]) -> bool {
    let Action::Twin { tags: Some(tags), .. } = &manifest.action else { return false };
    let Some((first, rest)) = path.get(1..).and_then(<[String]>::split_first) else { return false };
    let value = rest.iter().try_fold(tags.get(first), |value, key| Some(value?.get(key)));
    value.flatten().is_some_and(|value| !value.is_null())
}

fn is_tag(path: &[String]) -> bool {
    path.len() > 1 && path[0] == "tags"
}

fn collect(path: &str, value: Option<&Value>, names: &mut Vec<String>) {
    for (key, member) in value.and_then(Value::as_object).into_iter().flatten() {
        let path = format!("{path}.{key}");
        collect(&path, Some(member), names);
        names.push(path);
    }
}

/// A path as a query has it: what is no plain name stands in double brackets (GRAMMAR.md 2).
fn written(path: &[String]) -> String {
    let is_plain = |key: &str| {
        key.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
            && key.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
    };
    let (root, rest) = path.split_first().map_or(("", path), |(root, rest)| (root.as_str(), rest));
    let rest = rest.iter().map(|key| if is_plain(key) { format!(".{key}") } else { format!(".[[{key}]]") });
    format!("{root}{}", rest.collect::<String>())
}

fn nearest<'n>(name: &str, known: &'n [String]) -> Option<&'n str> {
    let distance = |candidate: &str| strsim::damerau_levenshtein(&name.to_lowercase(), &candidate.to_lowercase());
    let slips_max = (name.chars().count() / 4).clamp(1, 3);
    let near = known.iter().map(|candidate| (distance(candidate), candidate)).min()?;
    (near.0 <= slips_max).then_some(near.1.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_written_so_that_they_parse() {
        for (path, want) in
            [(vec!["tags", "a"], "tags.a"), (vec!["tags", "order", "a-b", "1x"], "tags.order.[[a-b]].[[1x]]")]
        {
            let path: Vec<String> = path.into_iter().map(str::to_owned).collect();
            assert_eq!(written(&path), want);
            crate::query::parse(&format!("SELECT deviceId FROM devices WHERE IS_DEFINED({want})")).unwrap();
        }
    }

    #[test]
    fn slips_are_guessed() {
        let known = ["tags.building".to_owned(), "tags.site".to_owned()];
        assert_eq!(nearest("tags.bilding", &known), Some("tags.building"));
        assert_eq!(nearest("tags.Site", &known), Some("tags.site"));
        assert_eq!(nearest("tags.wave", &known), None);
    }
}
