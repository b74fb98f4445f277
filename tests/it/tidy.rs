//! The house rules that a program can check.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().map(Path::to_path_buf).unwrap_or_default()
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

/// Source files below a folder of the workspace, with these endings.
fn files(folder: &Path, endings: &[&str], out: &mut Vec<PathBuf>) {
    let Ok(entries) = folder.read_dir() else { return };
    for entry in entries.flatten() {
        let path = entry.path();
        let name = entry.file_name().to_string_lossy().into_owned();
        if path.is_dir() {
            if !["target", "node_modules", "site", ".git", ".venv"].contains(&name.as_str()) {
                files(&path, endings, out);
            }
        } else if endings.iter().any(|ending| name.ends_with(ending)) {
            out.push(path);
        }
    }
}

fn all(endings: &[&str]) -> Vec<PathBuf> {
    let mut out = Vec::new();
    files(&root(), endings, &mut out);
    assert!(!out.is_empty(), "the workspace has files ending in {endings:?}");
    out
}

#[test]
fn no_source_file_is_over_600_lines() {
    let long: Vec<_> = all(&[".rs", ".mjs", ".py"])
        .into_iter()
        .map(|path| (read(&path).lines().count(), path))
        .filter(|(lines, _)| *lines > 600)
        .collect();
    assert!(long.is_empty(), "divide these: {long:?}");
}

#[test]
fn paths_named_in_documents_exist() {
    let top: BTreeSet<String> = root()
        .read_dir()
        .expect("the workspace can be listed")
        .flatten()
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect();
    let mut checked = 0;
    for document in all(&[".md"]) {
        for word in read(&document).split(['`', '(', ')', '[', ']', ' ', '\n']) {
            let word = word.trim_end_matches(['.', ',', ':', ';']);
            let first = word.split('/').next().unwrap_or_default();
            let is_path = word.contains('/') && top.contains(first) && !word.contains(['<', '*', '…', '{', '$', '=', '|']);
            if is_path {
                checked += 1;
                assert!(root().join(word).exists(), "{} names {word}, which does not exist", document.display());
            }
        }
    }
    assert!(checked >= 5, "the documents name paths ({checked} found)");
}

#[test]
fn every_analysis_has_its_docs_and_its_view() {
    let analysis = root().join("shared/src/analysis");
    let mut names = BTreeSet::new();
    for entry in analysis.read_dir().expect("the analyses can be listed").flatten() {
        let name = entry.file_name().to_string_lossy().trim_end_matches(".rs").to_owned();
        if name != "mod" {
            names.insert(name);
        }
    }
    assert!(names.len() >= 5, "{names:?}");
    for name in names {
        let file = [analysis.join(format!("{name}.rs")), analysis.join(&name).join("mod.rs")].into_iter().find(|p| p.exists());
        let text = read(&file.unwrap_or_else(|| panic!("{name} has no module file")));
        for heading in ["# Definition", "# Shapes", "# Degenerate", "# Accuracy", "# Cost", "# Errors", "# Source"] {
            assert!(text.contains(heading), "analysis {name} lacks the section \"{heading}\"");
        }
        let views = root().join("frontend/src/views");
        assert!(views.join(format!("{name}.rs")).exists() || views.join(&name).is_dir(), "analysis {name} has no view");
    }
}

#[test]
fn no_unfinished_code() {
    let marks = ["todo!(", "unimplemented!(", "#[ignore", "FIX\u{4d}E"];
    for path in all(&[".rs"]) {
        if path.ends_with("it/tidy.rs") {
            continue;
        }
        let text = read(&path);
        for mark in marks {
            assert!(!text.contains(mark), "{} contains {mark}", path.display());
        }
    }
}

#[test]
fn colors_are_named_in_style_sheets_only() {
    for path in all(&[".rs"]).into_iter().filter(|p| p.components().any(|c| c.as_os_str() == "frontend")) {
        for (i, line) in read(&path).lines().enumerate() {
            let hex = line.split('"').skip(1).step_by(2).any(|text| {
                text.strip_prefix('#').is_some_and(|rest| [3, 6].contains(&rest.len()) && rest.chars().all(|c| c.is_ascii_hexdigit()))
            });
            assert!(!hex, "{}:{} names a color; use a token of the style sheet", path.display(), i + 1);
        }
    }
}
