//! `frit recipes`: the built-in configurations.

use crate::Ending;
use crate::args;
use crate::output::out;
use anyhow::Result;
use frit::config::Config;
use frit::config::meanings::annotated;
use frit::config::recipes::{RECIPES, about, text, title};

pub(crate) fn recipes(args: &args::Recipes) -> Result<Ending> {
    match &args.command {
        None => {
            let width = RECIPES.iter().map(|(name, _)| name.len()).max().unwrap_or_default();
            for (name, text) in RECIPES {
                out!("{name:width$}  {}", title(text))?;
            }
            out!("")?;
            out!("`frit recipes show NAME` prints all settings of one, with their meaning")?;
        }
        Some(args::OneRecipe::Show { name }) => {
            if let Some(text) = text(name) {
                out!("# {}", about(text))?;
            }
            out!("{}", annotated(&Config::load(name)?)?.trim_end())?;
        }
    }
    Ok(Ending::Done)
}
