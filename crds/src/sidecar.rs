//! Which pools a pod asks its sidecar for: the value of the annotation `evenkeel.dev/pools`.

use crate::names;

/// The most pools of one sidecar: each has a listener and a watch of its own.
pub const MAX_POOLS: usize = 16;

/// Why the annotation's value names no pools.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PoolsError {
    /// It is empty.
    #[error("names no pool; give at least one, as in evenkeel.dev/pools: web,api")]
    None,
    /// A name that no pool can have, perhaps since something else than a comma stands between two.
    #[error(
        "has {0:?}, which is no pool's name; give names of at most 50 lower-case letters, digits and hyphens, with commas between them"
    )]
    Name(String),
    /// One name stands there twice.
    #[error("names {0:?} twice; remove one of them")]
    Twice(String),
    /// More than [`MAX_POOLS`].
    #[error("names {0} pools; give at most 16")]
    TooMany(usize),
}

/// The pools that the value names, in its order. Blanks around commas are allowed.
pub fn pools_of(value: &str) -> Result<Vec<&str>, PoolsError> {
    if value.trim().is_empty() {
        return Err(PoolsError::None);
    }
    let names: Vec<_> = value.split(',').map(str::trim).collect();
    if names.len() > MAX_POOLS {
        return Err(PoolsError::TooMany(names.len()));
    }
    for (index, name) in names.iter().enumerate() {
        if !names::is_pool_name(name) {
            return Err(PoolsError::Name((*name).into()));
        }
        if names[..index].contains(name) {
            return Err(PoolsError::Twice((*name).into()));
        }
    }
    Ok(names)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pools_are_read_in_their_order_with_or_without_blanks() {
        for (value, pools) in [("web", vec!["web"]), ("web,api", vec!["web", "api"]), (" b , a\n", vec!["b", "a"])] {
            assert_eq!(pools_of(value), Ok(pools), "{value:?}");
        }
        let sixteen: Vec<_> = (0..16).map(|index| format!("p{index}")).collect();
        assert_eq!(pools_of(&sixteen.join(",")).map(|pools| pools.len()), Ok(16));
    }

    #[test]
    fn any_other_value_is_refused_with_its_reason() {
        let name = |text: &str| PoolsError::Name(text.into());
        let seventeen: Vec<_> = (0..17).map(|index| format!("p{index}")).collect();
        for (value, error) in [
            ("", PoolsError::None),
            (" \n", PoolsError::None),
            (",", name("")),
            ("web,", name("")),
            ("web api", name("web api")),
            ("web;api", name("web;api")),
            ("Web", name("Web")),
            ("shop/web", name("shop/web")),
            ("web,api, web", PoolsError::Twice("web".into())),
            (&"a".repeat(51), name(&"a".repeat(51))),
            (&seventeen.join(","), PoolsError::TooMany(17)),
        ] {
            assert_eq!(pools_of(value), Err(error), "{value:?}");
        }
    }
}
