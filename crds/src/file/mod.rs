//! A `BalancerPool` in a file: read strictly, with the line of everything that is wrong.

mod document;
mod spelling;
mod words;

use std::fmt;

use serde_json::Value;

use crate::{
    BalancerPool,
    address::Scope,
    table::RoutingTable,
    translate::{Inputs, Problem, translate},
};
use document::Document;

/// Something wrong with a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileProblem {
    /// The line, from 1; none where the whole file is meant.
    pub line: Option<u32>,
    /// The field, if the text could be read that far: `spec.backends[1].weight`.
    pub field: Option<String>,
    /// What is wrong and what to do.
    pub message: String,
}

impl fmt::Display for FileProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(line) = self.line {
            write!(f, "line {line}: ")?;
        }
        if let Some(field) = &self.field {
            write!(f, "{field}: ")?;
        }
        f.write_str(&self.message)
    }
}

/// Reads the text of a file and translates it: the table that a proxy on this machine runs on, or all that is wrong.
pub fn table(text: &str, published: Option<&RoutingTable>, now: i64) -> Result<RoutingTable, Vec<FileProblem>> {
    let document = document(text).map_err(|problem| vec![problem])?;
    let pool = pool(&document)?;
    let inputs =
        Inputs { pool: &pool, services: &[], slices: &[], proxies: &[], published, now, scope: Scope::Machine };
    let translation = translate(&inputs);
    match translation.table {
        Some(table) if translation.problems.is_empty() => Ok(table),
        _ => Err(translation.problems.iter().map(|problem| located(problem, &document)).collect()),
    }
}

/// The one document of the file, if it says that it is a pool.
fn document(text: &str) -> Result<Document, FileProblem> {
    let mut documents = Document::all(text).map_err(|error| syntax(&error))?.into_iter();
    match (documents.next(), documents.next()) {
        (Some(document), None) => match kind(&document) {
            Some(problem) => Err(problem),
            None => Ok(document),
        },
        (None, _) => Err(FileProblem::whole(None, "the file is empty; write a BalancerPool")),
        (_, Some(second)) => Err(FileProblem::whole(
            Some(second.line),
            "a second document begins here; write each pool to a file of its own",
        )),
    }
}

/// kube's types take any `kind`.
fn kind(document: &Document) -> Option<FileProblem> {
    let json = document.to_json();
    if !json.is_object() {
        return Some(FileProblem::whole(Some(document.line), "this is no object; write a BalancerPool"));
    }
    let expected = [("apiVersion", "evenkeel.dev/v1alpha1"), ("kind", "BalancerPool")];
    let (field, value) = expected.into_iter().find(|(field, value)| json[*field] != *value)?;
    Some(FileProblem::at(document, field, format!("the file holds one BalancerPool; write {field}: {value}")))
}

/// The pool, or what there is of wrong types and of fields that do not exist.
fn pool(document: &Document) -> Result<BalancerPool, Vec<FileProblem>> {
    let (pool, mut unknown) = parse(document.to_json());
    // kube's type skips the two that name the object's kind.
    unknown.retain(|field| !matches!(field.as_str(), "apiVersion" | "kind"));
    let mut problems: Vec<_> =
        unknown.into_iter().map(|field| FileProblem::at(document, &field, no_such_field(&field))).collect();
    match pool {
        Ok(pool) if problems.is_empty() => return Ok(pool),
        Ok(_) => {}
        Err(error) => problems.push(mistyped(document, &error)),
    }
    problems.sort_by_key(|problem| problem.line);
    Err(problems)
}

type Typed = Result<BalancerPool, serde_path_to_error::Error<serde_json::Error>>;

fn parse(json: Value) -> (Typed, Vec<String>) {
    let mut unknown = Vec::new();
    let mut on_unknown = |path: serde_ignored::Path| unknown.push(field_of(&path));
    let pool = serde_path_to_error::deserialize(serde_ignored::Deserializer::new(json, &mut on_unknown));
    (pool, unknown)
}

fn no_such_field(field: &str) -> String {
    match spelling::suggestion(field) {
        Some(name) => format!("there is no such field; did you mean {name}?"),
        None => "there is no such field; check its spelling and its indentation, or remove it".into(),
    }
}

fn mistyped(document: &Document, error: &serde_path_to_error::Error<serde_json::Error>) -> FileProblem {
    let path = match error.path().to_string() {
        root if root == "." => String::new(),
        path => path,
    };
    let inner = error.inner().to_string();
    match words::of_value(&inner) {
        (message, None) => FileProblem::at(document, &path, message),
        (message, Some(missing)) if path.is_empty() => FileProblem::at(document, missing, message),
        (message, Some(missing)) => FileProblem::at(document, &format!("{path}.{missing}"), message),
    }
}

fn located(problem: &Problem, document: &Document) -> FileProblem {
    FileProblem::at(document, &problem.field, problem.message.clone())
}

fn syntax(error: &serde_yaml::Error) -> FileProblem {
    let line = error.location().and_then(|location| u32::try_from(location.line()).ok());
    FileProblem::whole(line, &words::of_syntax(error))
}

impl FileProblem {
    fn at(document: &Document, field: &str, message: String) -> Self {
        Self { line: Some(document.line_of(field)), field: Some(field.into()), message }
    }

    fn whole(line: Option<u32>, message: &str) -> Self {
        Self { line, field: None, message: message.into() }
    }
}

/// `spec.backends[1].weight`
fn field_of(path: &serde_ignored::Path) -> String {
    use serde_ignored::Path;
    match path {
        Path::Root => String::new(),
        Path::Seq { parent, index } => format!("{}[{index}]", field_of(parent)),
        Path::Map { parent, key } => match field_of(parent) {
            parent if parent.is_empty() => key.clone(),
            parent => format!("{parent}.{key}"),
        },
        Path::Some { parent } | Path::NewtypeStruct { parent } | Path::NewtypeVariant { parent } => field_of(parent),
    }
}

#[cfg(test)]
mod tests;
