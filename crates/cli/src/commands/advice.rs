//! Error messages of the program: the library's message, and the flag or command that helps.

use frit::Hint;
use frit::io::format::quoted;
use gpu_core::Error::{NoAdapter, NoSuchAdapter, Rank, Refused};
use std::path::Path;

/// `error: …`, and a line `help: …` where a flag or a command can help.
pub(crate) fn message(error: &anyhow::Error) -> String {
    let help = hint(error).map(|help| format!("\n  help: {help}")).unwrap_or_default();
    format!("error: {error:#}{help}")
}

/// The flag or command that helps.
fn hint(error: &anyhow::Error) -> Option<String> {
    let of_library = error.downcast_ref::<frit::Error>();
    if let Some(hint) = of_library.and_then(frit::Error::hint) {
        return text(hint);
    }
    match of_library.and_then(frit::Error::device_error).or_else(|| error.downcast_ref())? {
        NoAdapter => {
            Some("install a Vulkan driver (Debian: apt-get install mesa-vulkan-drivers), or use --device cpu".into())
        }
        // The reason of another process may be anything.
        Rank { why: Some(_), .. } => None,
        NoSuchAdapter { .. } | Refused { .. } | Rank { why: None, .. } => {
            Some("choose another --device (see `frit devices`)".into())
        }
        gpu_core::Error::OutOfMemory { .. } | gpu_core::Error::TooLarge { .. } => {
            Some("use a smaller --batch-size, or --micro-batch auto".into())
        }
        gpu_core::Error::Lost { .. } => Some("start again; restart the driver if it is lost again".into()),
        _ => Some("this is a bug in frit or in the driver; report it with the output of `frit devices`".into()),
    }
}

/// A hint in the words of the command line.
fn text(hint: &Hint) -> Option<String> {
    Some(match hint {
        Hint::BatchSize(images) => format!("use --batch-size {images}, or --micro-batch auto"),
        Hint::MaxBatchSize(images) => format!("use --batch-size {images} or less"),
        Hint::MicroBatch(images) => format!("use --micro-batch {images}"),
        Hint::Resume(run) => format!("continue with `frit resume {}`", quoted(Path::new(run))),
        Hint::TrainOn { run, steps } => train_on(Path::new(run), *steps),
        Hint::Data => "pass the data set that the run was trained on with --data".into(),
        Hint::Folder => "`frit train FOLDER` trains on the images of a folder".into(),
        Hint::Codes => "train one with `frit train vqvae`, and name it with --codes RUN".into(),
        Hint::CodesData => "leave out --data, or name with it only where that data is now".into(),
        Hint::MovedCodes => {
            "name the VQ-VAE where it is now with `frit train … --codes RUN`, or --set prior.codes=RUN".into()
        }
        Hint::Latents => {
            "train one with `frit train ae`, and name it with --latents RUN; or train on points: --data moons".into()
        }
        Hint::MovedLatents => {
            "name the autoencoder where it is now with `frit train … --latents RUN`, or --set realnvp.latents=RUN"
                .into()
        }
        Hint::Class => "name the class of the images with --class".into(),
        Hint::Out => "choose another --out".into(),
        Hint::Device => "choose another --device (see `frit devices`)".into(),
        Hint::Train => "`frit runs` lists the runs; `frit train` starts a new one".into(),
        Hint::Set(key) => format!("change {key}, on the command line with --set {key}=…"),
        Hint::Size(size) => format!("use --size {size}; `frit data inspect` prints all sizes"),
        Hint::FullPrecision => "leave out --half".into(),
        Hint::Features(name) => format!("use --features {name}"),
        _ => return None,
    })
}

/// The command that trains the weights of a run for more steps, under a new schedule of the learning rate.
pub(crate) fn train_on(run: &Path, steps: u64) -> String {
    let file = |name: &str| quoted(&run.join(name));
    let (config, weights) = (file("config.toml"), file("checkpoints/latest.safetensors"));
    format!(
        "start a new run from its weights, with a new schedule: `frit train {config} --init {weights} --steps {steps} \
         --set optimiser.lr_decay_steps=0 --set optimiser.lr_warmup=0`"
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use frit::{Error, ErrorKind};

    #[test]
    fn hints_become_flags() {
        let error = Error::new(ErrorKind::Device, "out of device memory").with_hint(Hint::BatchSize(64));
        let text = message(&error.into());
        assert_eq!(text, "error: out of device memory\n  help: use --batch-size 64, or --micro-batch auto");
        assert_eq!(message(&anyhow::anyhow!("no run at 'x'")), "error: no run at 'x'");
    }

    #[test]
    fn device_errors_name_the_flag() {
        let text = message(&NoAdapter.into());
        assert!(text.starts_with("error: no GPU adapter found\n  help: ") && text.contains("--device cpu"), "{text}");
    }
}
