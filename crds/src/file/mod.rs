//! A `BalancerPool` in a file: read strictly, with the line of everything that is wrong.

mod lines;

use std::fmt;

use serde_ignored::Path;

use crate::{
    BalancerPool,
    address::Scope,
    table::RoutingTable,
    translate::{Inputs, Problem, translate},
};
use lines::Lines;

/// Something wrong with a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileProblem {
    /// The line, from 1, if it is known.
    pub line: Option<u32>,
    /// The field, if the text could be read that far.
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
    let (pool, lines) = read(text)?;
    let inputs =
        Inputs { pool: &pool, services: &[], slices: &[], proxies: &[], published, now, scope: Scope::Machine };
    let translation = translate(&inputs);
    match translation.table {
        Some(table) if translation.problems.is_empty() => Ok(table),
        _ => Err(translation.problems.iter().map(|problem| located(problem, &lines)).collect()),
    }
}

/// Reads the pool and where its fields stand.
fn read(text: &str) -> Result<(BalancerPool, Lines), Vec<FileProblem>> {
    let lines = Lines::of(text).map_err(|error| vec![syntax(&error)])?;
    let mut unknown = Vec::new();
    let pool: Result<BalancerPool, _> = serde_yaml::with_deserializer_from_str(text, |yaml| {
        serde_ignored::deserialize(yaml, |path| unknown.push(field_of(&path)))
    });
    let pool = pool.map_err(|error| vec![syntax(&error)])?;
    let mut problems: Vec<_> = kind(&lines).into_iter().collect();
    // kube's type skips the two that name the object's kind.
    unknown.retain(|field| !matches!(field.as_str(), "apiVersion" | "kind"));
    problems.extend(unknown.into_iter().map(|field| FileProblem {
        line: lines.line(&field),
        field: Some(field),
        message: "there is no such field; check its spelling and its indentation, or remove it".into(),
    }));
    if problems.is_empty() { Ok((pool, lines)) } else { Err(problems) }
}

/// The object must say that it is a pool: kube's types take any `kind`.
fn kind(lines: &Lines) -> Option<FileProblem> {
    let expected = [("apiVersion", "evenkeel.dev/v1alpha1"), ("kind", "BalancerPool")];
    expected.into_iter().find(|(field, value)| lines.value(field) != Some(*value)).map(|(field, value)| FileProblem {
        line: lines.line(field),
        field: Some(field.into()),
        message: format!("the file holds one BalancerPool; write {field}: {value}"),
    })
}

fn located(problem: &Problem, lines: &Lines) -> FileProblem {
    FileProblem {
        line: lines.line(&problem.field),
        field: Some(problem.field.clone()),
        message: problem.message.clone(),
    }
}

fn syntax(error: &serde_yaml::Error) -> FileProblem {
    let error = error.without_snippet();
    FileProblem {
        line: error.location().and_then(|location| u32::try_from(location.line()).ok()),
        field: None,
        message: error.to_string(),
    }
}

/// `spec.backends[1].weight`
fn field_of(path: &Path) -> String {
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
