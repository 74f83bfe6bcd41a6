//! `frit recipes`: the built-in configurations.

use crate::Ending;
use crate::args;
use crate::output::out;
use anyhow::{Result, bail};
use frit::config::recipes::{RECIPES, about, names, text};

pub(crate) fn recipes(args: &args::Recipes) -> Result<Ending> {
    match &args.command {
        None => {
            for (name, text) in RECIPES {
                out!("{name:12} {}", about(text))?;
            }
        }
        Some(args::OneRecipe::Show { name }) => match text(name) {
            Some(text) => out!("{}", text.trim_end())?,
            None => bail!("no recipe '{name}' (available: {})", names()),
        },
    }
    Ok(Ending::Done)
}
