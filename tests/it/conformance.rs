//! docs/conformance.md is what the tests say it is: collected from the comments above them, and compared.
//!
//! `// conformance: REST.md 4.7: SENTENCE` stands above a test that shows a behaviour, `// conformance-choice: …` where
//! the code settles what the facts leave open, `// conformance-deviation: …` where the hub is known to differ.

mod absent;
mod sections;

use std::collections::BTreeMap;
use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};

use absent::ABSENT;
use sections::{DOCUMENTS, SECTIONS};

use crate::support::env::checkout;

/// When the page was last gone through by a person, section by section.
const DATE: &str = "2026-11-22";
const PAGE: &str = "docs/conformance.md";

/// What a comment says: which section, and the sentence.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Remark {
    /// Place in [`SECTIONS`].
    section: usize,
    sentence: String,
    /// The file, and of a behaviour the test.
    file: String,
    test: Option<String>,
}

#[derive(Debug, Default)]
struct Remarks {
    behaviours: Vec<Remark>,
    choices: Vec<Remark>,
    deviations: Vec<Remark>,
    faults: Vec<String>,
}

#[test]
fn the_page_says_what_the_tests_say() {
    let remarks = collect();
    assert!(remarks.faults.is_empty(), "{}", remarks.faults.join("\n"));
    let page = render(&remarks);
    let path = checkout().join(PAGE);
    if std::env::var_os("IOTJOB_UPDATE").is_some() {
        fs::create_dir_all(path.parent().expect("it lies in a folder")).expect("the folder of the page");
        fs::write(&path, page).expect("the page can be written");
        return;
    }
    let committed = fs::read_to_string(&path).unwrap_or_default().replace("\r\n", "\n");
    let stale = format!("{PAGE} is stale: IOTJOB_UPDATE=1 cargo test --locked --test it conformance");
    for (number, (found, want)) in committed.lines().zip(page.lines()).enumerate() {
        assert_eq!(found, want, "{stale}; first at line {}", number + 1);
    }
    assert_eq!(committed.lines().count(), page.lines().count(), "{stale}");
}

#[test]
fn no_section_is_passed_over() {
    let remarks = collect();
    let open: Vec<_> = (0..SECTIONS.len())
        .filter(|section| !remarks.behaviours.iter().any(|remark| remark.section == *section))
        .filter(|section| !ABSENT.iter().any(|(source, ..)| section_of(source) == Some(*section)))
        .map(|section| format!("{}: {}", SECTIONS[section].0, SECTIONS[section].1))
        .collect();
    assert!(open.is_empty(), "neither shown by a test nor absent:\n{}", open.join("\n"));
}

#[test]
fn what_is_there_is_not_listed_as_absent() {
    let remarks = collect();
    for (source, word, sentence) in ABSENT {
        let section = section_of(source).unwrap_or_else(|| panic!("`{source}` is no section: {sentence}"));
        let shown = remarks
            .behaviours
            .iter()
            .find(|remark| remark.section == section && remark.sentence.to_lowercase().contains(&word.to_lowercase()));
        if let Some(shown) = shown {
            panic!("`{sentence}` ({source}) is listed as absent, and {shown:?}; strike it out of absent.rs");
        }
    }
}

#[test]
fn remarks_are_read_or_named_as_faulty() {
    let mut remarks = Remarks::default();
    let text = "// conformance: REST.md 4.7: one\n/// Doc.\n#[tokio::test]\nasync fn first() {\n}\n\
                // conformance: GRAMMAR.md 2.2: two\n// conformance-choice: REST.md 8.1: three\n#[test]\nfn second() {}\n\
                // conformance: REST.md 4.7: four\nfn no_test() {}\n// conformance: REST.md 99: five\n\
                // conformance: REST.md 4.7 six\n// conformance: REST.md 4.7: seven";
    read(text, "src/a.rs", &mut remarks);
    let read: Vec<_> = remarks
        .behaviours
        .iter()
        .map(|remark| {
            (SECTIONS[remark.section].0, remark.sentence.as_str(), remark.test.as_deref().unwrap_or_default())
        })
        .collect();
    assert_eq!(read, [("REST.md 4.7", "one", "first"), ("GRAMMAR.md 2", "two", "second")]);
    assert_eq!(remarks.choices.len(), 1);
    let places: Vec<_> = remarks.faults.iter().filter_map(|fault| fault.split(": ").next()).collect();
    assert_eq!(places, ["src/a.rs:10", "src/a.rs:12", "src/a.rs:13", "src/a.rs:14"], "{:?}", remarks.faults);
}

fn collect() -> Remarks {
    let mut remarks = Remarks::default();
    for folder in ["src", "tests/it"] {
        for path in rust_files(&checkout().join(folder)) {
            let file = path.strip_prefix(checkout()).expect("it lies there").to_string_lossy().replace('\\', "/");
            // This generator quotes what it looks for.
            if !file.starts_with("tests/it/conformance") {
                read(&fs::read_to_string(&path).expect("a source file"), &file, &mut remarks);
            }
        }
    }
    remarks
}

fn rust_files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).expect("a folder of the checkout") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            found.extend(rust_files(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
    found.sort();
    found
}

/// Reads the remarks of one file.
fn read(text: &str, file: &str, remarks: &mut Remarks) {
    let lines: Vec<&str> = text.lines().map(str::trim).collect();
    for (index, line) in lines.iter().enumerate() {
        let Some(said) = line.strip_prefix("// conformance") else { continue };
        let fault = |why: &str| format!("{file}:{}: {why}: {line}", index + 1);
        let Some((kind, said)) = said.split_once(": ") else {
            remarks.faults.push(fault("no `: ` behind the kind"));
            continue;
        };
        let Some((source, sentence)) = said.split_once(": ").filter(|(_, sentence)| !sentence.trim().is_empty()) else {
            remarks.faults.push(fault("no `DOCUMENT SECTION: SENTENCE`"));
            continue;
        };
        let Some(section) = section_of(source) else {
            remarks.faults.push(fault("no such document or section"));
            continue;
        };
        let remark = |test| Remark { section, sentence: sentence.trim().to_owned(), file: file.to_owned(), test };
        match kind {
            "" => match test_below(&lines[index + 1..]) {
                Some(test) => remarks.behaviours.push(remark(Some(test))),
                None => remarks.faults.push(fault("it stands above no test")),
            },
            "-choice" => remarks.choices.push(remark(None)),
            "-deviation" => remarks.deviations.push(remark(None)),
            _ => remarks.faults.push(fault("no kind of remark")),
        }
    }
}

/// The name of the test that these lines begin with, behind comments and attributes.
fn test_below(lines: &[&str]) -> Option<String> {
    let end = lines.iter().position(|line| !line.starts_with("//") && !line.starts_with("#["))?;
    let is_test = lines[..end].iter().any(|line| line.starts_with("#[test]") || line.starts_with("#[tokio::test"));
    let name = lines[end].trim_start_matches("async ").strip_prefix("fn ")?;
    is_test.then(|| name.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect())
}

/// The place of `DOCUMENT SECTION` in the table; of a number that is not there, the section it lies in.
fn section_of(source: &str) -> Option<usize> {
    let (document, number) = source.split_once(' ')?;
    let mut number = number;
    loop {
        let wanted = format!("{document} {number}");
        if let Some(place) = SECTIONS.iter().position(|(source, _)| *source == wanted) {
            return Some(place);
        }
        number = number.rsplit_once('.')?.0;
    }
}

fn render(remarks: &Remarks) -> String {
    let mut page = String::new();
    let shown = behaviours(&remarks.behaviours);
    let absent = ABSENT.len();
    write!(
        page,
        "# Conformance of the local hub\n\n\
         What `iotjob hub` does of what a client of Azure IoT Hub can see, and the test that shows it. Generated from the \
         comments above the tests; a test compares, so a behaviour stands here as long as its test does. Write it \
         anew with `IOTJOB_UPDATE=1 cargo test --locked --test it conformance`.\n\n\
         {} behaviours are shown by a test, {absent} are known to be absent, {} choices are made where the facts are \
         unconfirmed, {} deviations are known.\n\n\
         ## Sources\n\nGone through section by section on {DATE}.\n\n| name | what it stands for |\n|---|---|\n",
        shown.len(),
        remarks.choices.len(),
        remarks.deviations.len(),
    )
    .expect("a string takes everything");
    for (name, meaning) in DOCUMENTS {
        page.push_str(&format!("| {name} | {meaning} |\n"));
    }
    page.push_str("\n## Behaviours\n");
    for (place, (source, title)) in SECTIONS.iter().enumerate() {
        let rows: Vec<_> = shown.iter().filter(|((section, _), _)| *section == place).collect();
        let missing: Vec<_> = ABSENT.iter().filter(|(source, ..)| section_of(source) == Some(place)).collect();
        if rows.is_empty() && missing.is_empty() {
            continue;
        }
        page.push_str(&format!("\n### {source}: {title}\n\n| behaviour | there | test |\n|---|---|---|\n"));
        for ((_, sentence), tests) in rows {
            page.push_str(&format!("| {} | yes | {} |\n", cell(sentence), tests.join(", ")));
        }
        for (_, _, sentence) in missing {
            page.push_str(&format!("| {} | **no** | |\n", cell(sentence)));
        }
    }
    page.push_str("\n## Choices\n\nNo source settles these; the code named does it so until one does.\n\n");
    list(&mut page, &remarks.choices);
    page.push_str("\n## Deviations\n\nThe hub is known to differ here from what the service does.\n\n");
    list(&mut page, &remarks.deviations);
    page
}

/// A section and a sentence, in the order of the page, with the tests that show it.
type Shown = Vec<((usize, String), Vec<String>)>;

/// One row a sentence, in the order of the sections and of the files.
fn behaviours(remarks: &[Remark]) -> Shown {
    let mut rows: Shown = Vec::new();
    for remark in remarks {
        let key = (remark.section, remark.sentence.clone());
        let test = format!("[`{}`](../{})", remark.test.as_deref().unwrap_or_default(), remark.file);
        match rows.iter_mut().find(|(known, _)| *known == key) {
            Some((_, tests)) => tests.push(test),
            None => rows.push((key, vec![test])),
        }
    }
    rows.sort_by_key(|((section, _), _)| *section);
    rows
}

fn list(page: &mut String, remarks: &[Remark]) {
    let mut rows: BTreeMap<(usize, &str), Vec<String>> = BTreeMap::new();
    for Remark { section, sentence, file, .. } in remarks {
        let files = rows.entry((*section, sentence)).or_default();
        let link = format!("[{}](../{file})", file.trim_start_matches("src/"));
        if !files.contains(&link) {
            files.push(link);
        }
    }
    page.push_str("| section | sentence | code |\n|---|---|---|\n");
    for ((section, sentence), files) in rows {
        page.push_str(&format!("| {} | {} | {} |\n", SECTIONS[section].0, cell(sentence), files.join(", ")));
    }
}

/// A sentence as the cell of a table.
fn cell(sentence: &str) -> String {
    sentence.replace('|', "\\|")
}
