//! Sampling of flow matching with other settings than the run's.

use crate::eval::latents::is_class_conditional;
use crate::io::error::{Result, ensure};
use crate::run::session::{Session, spec};

/// Sets the steps from noise to an image and the guidance by classes, where they are given.
///
/// # Errors
/// [`ErrorKind::Model`](crate::ErrorKind) if the model is not of flow matching, or guidance is given and it is
/// unconditional; [`ErrorKind::Setting`](crate::ErrorKind) if a number is invalid.
pub fn set_flow(session: &mut Session, steps: Option<usize>, guidance: Option<f32>) -> Result<()> {
    if steps.is_none() && guidance.is_none() {
        return Ok(());
    }
    let name = session.config.name();
    ensure!(name == "flow", Model, "--steps and --guidance are for flow matching; {name} is another model");
    ensure!(
        guidance.is_none() || is_class_conditional(session),
        Model,
        "--guidance needs a class-conditional model; this one of {name} is unconditional"
    );
    let mut config = session.config.clone();
    for (key, value) in [("steps", steps.map(|n| n.to_string())), ("guidance", guidance.map(|w| w.to_string()))] {
        if let Some(value) = value {
            config = config.with(&format!("flow.{key}={value}"))?;
        }
    }
    let spec = spec(&config, &session.data);
    config.check_model(&spec, 1)?;
    (session.model, session.config) = (config.build(&spec), config);
    Ok(())
}
