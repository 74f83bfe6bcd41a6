//! The table of settings: the meaning of each in one line, and its allowed values.

use super::Config;
use crate::io::error::{Context, ErrorKind, Result};

/// Dotted key, meaning, allowed values. A list of names is complete.
#[rustfmt::skip]
const SETTINGS: &[(&str, &str, &str)] = &[
    ("train.epochs", "Passes over the training set", "1 or more"),
    ("train.steps", "Maximum number of steps; 0 for no limit", "0 or more"),
    ("train.batch_size", "Batch size", "1 or more"),
    ("train.micro_batch", "Images of a micro-batch, whose gradients are accumulated; 0 for the whole batch",
     "0 or more"),
    ("train.seed", "Random seed", "0 or more"),
    ("train.shuffle", "Shuffle the images in each epoch", "true, false"),
    ("train.save_every", "Steps between checkpoints within an epoch; 0 for none", "0 or more"),
    ("train.sample_every", "Steps between sample grids within an epoch; 0 for none", "0 or more"),
    ("train.keep", "Numbered checkpoints to keep, in addition to the latest and the best", "0 or more"),
    ("train.best", "Metric of the test set or of samples that selects the best checkpoint; empty for the model's loss",
     "a metric, such as psnr or frechet"),
    ("train.best_every", "Epochs between measurements of samples, if train.best is a metric of theirs", "1 or more"),
    ("train.patience", "Epochs without a better checkpoint before training stops; 0 for no limit", "0 or more"),
    ("data.source", "Data", "digits, shapes, outlines, a density such as 25gaussians, or the path of a folder or file"),
    ("data.b", "Source of the second set, B, of image-to-image translation; empty for none",
     "empty, or a set of images as for data.source"),
    ("data.pairs", "Images of A and B that belong together: those of one name, the halves of each image, or none",
     "none, name, split"),
    ("data.size", "Height and width of the images; 0 for those of the files", "0 to 4096"),
    ("data.fit", "Method of making images square", "crop, stretch, pad"),
    ("data.channels", "Channels (1 grey, 3 colour); 0 for those of the files", "0, 1, 3"),
    ("data.background", "Colour under transparent pixels and around padded images", "six hexadecimal digits"),
    ("data.test", "Share of the images held out for testing, if the data has no test set", "between 0 and 1"),
    ("data.unreadable", "Maximum number of unreadable files to skip", "0 or more"),
    ("data.shard", "Training images on the device at once; 0 for as many as fit", "0 or more"),
    ("data.mirror", "Mirror each training image, left to right, with a probability of 1/2", "true, false"),
    ("data.crop", "Maximum number of pixels to move each training image by; its edge is repeated", "0 or more"),
    ("data.points", "Points of an epoch, of a density", "1 to 16777216"),
    ("data.stacked", "Training images of three random grey images each, as colours; 0 for the images themselves",
     "0 to 1048576"),
    ("data.length", "Codes of a piece of a sequence: bytes of text, samples of sound", "2 to 1048576"),
    ("data.rate", "Samples a second, to which sound is resampled", "100 to 192000"),
    ("optimiser.kind", "Optimiser", "adam, adamw, sgd, lion"),
    ("optimiser.lr", "Peak learning rate", "above 0"),
    ("optimiser.lr_warmup", "Steps of linear warm-up; 0 for none", "0 or more"),
    ("optimiser.lr_schedule", "Decay of the learning rate after the warm-up", "constant, linear, cosine, step"),
    ("optimiser.lr_decay_steps", "Steps of the decay, or the period of step; 0 for the rest of the run", "0 or more"),
    ("optimiser.lr_hold", "Share of these steps at the peak, before the rate falls (linear, cosine)", "0 to below 1"),
    ("optimiser.lr_final", "Final share of the learning rate, or the factor of each step", "0 to 1"),
    ("optimiser.beta1", "Decay of the first moment (Adam, Lion)", "0 to below 1"),
    ("optimiser.beta2", "Decay of the second moment (Adam, Lion)", "0 to below 1"),
    ("optimiser.epsilon", "Term added to the root of the second moment (Adam)", "above 0"),
    ("optimiser.momentum", "Momentum (SGD)", "0 to below 1"),
    ("optimiser.nesterov", "Nesterov momentum (SGD)", "true, false"),
    ("optimiser.weight_decay", "Weight decay", "0 or more"),
    ("optimiser.clip", "Maximum gradient norm of a network; 0 for no clipping", "0 or more"),
    ("optimiser.average", "Decay of the average of the weights (EMA); 0 for none", "0 to below 1"),
    ("monitors.non_finite", "Recoveries from a loss that is not finite", "0 or more"),
    ("monitors.after", "Steps before the other monitors start", "0 or more"),
    ("monitors.after_epochs", "Epochs after which they start in any case", "0 or more"),
    ("monitors.posterior", "Warn of posterior collapse of a VAE", "true, false"),
    ("monitors.codes", "Warn of codebook collapse of a VQ-VAE", "true, false"),
    ("monitors.modes", "Warn of mode collapse of a GAN", "true, false"),
    ("monitors.divergence", "Factor over the first loss that counts as divergence; 0 for none", "0 or more"),
    ("monitors.discriminator", "Warn of a discriminator that is too strong", "true, false"),
    ("vae.channels", "Channels of the encoder's convolutions, each of which halves the image",
     "a list, such as [32, 64], or []"),
    ("vae.pool", "Max pooling and upsampling in place of strides", "true, false"),
    ("vae.hidden", "Widths of the encoder's linear layers; the decoder has them in reverse",
     "a list, such as [400, 200]"),
    ("vae.latent", "Latent dimensions", "1 to 65536"),
    ("vae.beta", "Weight of the KL term (β)", "0 or more"),
    ("vae.kl_warmup", "Steps over which the KL weight rises from zero; 0 for none", "0 or more"),
    ("vae.free_bits", "Free bits: nats of each latent dimension without cost; 0 for none", "0 or more"),
    ("vae.capacity", "Capacity: target of the KL term in nats; 0 for none", "0 or more"),
    ("vae.likelihood", "Likelihood of the pixels", "bernoulli, gaussian"),
    ("vae.sigma", "Standard deviation of a Gaussian likelihood", "above 0"),
    ("vae.activation", "Activation of the hidden layers",
     "relu, leaky_relu, tanh, sigmoid, softplus, silu, elu"),
    ("vae.class_conditional", "Condition encoder and decoder on the class", "true, false"),
    ("vae.binarise", "Draw every pixel black or white in each step, white with the probability of its grey",
     "true, false"),
    ("vae.flow.kind", "Functions of a flow after the normal numbers of the posterior", "none, planar, iaf"),
    ("vae.flow.length", "Functions of that flow", "1 to 256"),
    ("vae.flow.hidden", "Width of the hidden layer of an inverse autoregressive function (iaf)", "1 to 65536"),
    ("ae.channels", "Channels of the encoder's convolutions, each of which halves the image",
     "a list, such as [32, 64], or []"),
    ("ae.pool", "Max pooling and upsampling in place of strides", "true, false"),
    ("ae.hidden", "Widths of the encoder's linear layers; the decoder has them in reverse",
     "a list, such as [400, 200]"),
    ("ae.latent", "Latent dimensions", "1 to 65536"),
    ("ae.likelihood", "Likelihood of the pixels", "bernoulli, gaussian"),
    ("ae.sigma", "Standard deviation of a Gaussian likelihood", "above 0"),
    ("ae.activation", "Activation of the hidden layers",
     "relu, leaky_relu, tanh, sigmoid, softplus, silu, elu"),
    ("gan.latent", "Latent dimensions", "1 to 65536"),
    ("gan.width", "Channels of the convolutions next to the image; 0 for linear layers", "0 to 65536"),
    ("gan.hidden", "Widths of the generator's linear layers, if width is 0", "a list, such as [128]"),
    ("gan.loss", "Loss", "non_saturating, least_squares, hinge, wasserstein"),
    ("gan.label_smoothing", "Label smoothing; 0.1 makes the label of real images 0.9", "0 to below 0.5"),
    ("gan.discriminator_norm", "Batch normalisation in a convolutional discriminator", "true, false"),
    ("gan.spectral", "Spectral normalisation of the discriminator", "true, false"),
    (
        "gan.minibatch_std",
        "Images of a group whose standard deviation the discriminator sees, such as 4; 0 for none",
        "0, or 2 to 65536",
    ),
    ("gan.discriminator_steps", "Steps of the discriminator per step of the generator", "1 or more"),
    ("gan.discriminator_lr", "Learning rate of the discriminator; 0 for the optimiser's", "0 or more"),
    ("gan.penalty", "Penalty on the discriminator's gradient with respect to the image", "none, r1, gp"),
    ("gan.penalty_weight", "Weight of the penalty: γ of R1, λ of WGAN-GP", "above 0"),
    ("gan.penalty_every", "Steps from one with the penalty to the next; the weight is multiplied by it", "1 or more"),
    ("gan.augment", "Random changes of the images that the discriminator sees, for small data sets",
     "a list of colour, translation, cutout, or []"),
    ("gan.class_conditional", "Condition both networks on the class; for linear layers only", "true, false"),
    ("flow.width", "Channels of the U-Net at the size of the image, doubled with each halving; 0 for linear layers",
     "0 to 65536"),
    ("flow.halvings", "Halvings of the image by the U-Net", "0 or more"),
    ("flow.heads", "Heads of self-attention at the smallest size; 0 for none", "0, or a divisor of its channels"),
    ("flow.hidden", "Widths of the linear layers, if width is 0", "a list, such as [128, 128]"),
    ("flow.waves", "Cosines and sines of the time that the network sees", "1 to 10"),
    ("flow.steps", "Steps of the integration from noise to an image", "1 to 1000"),
    ("flow.solver", "Method of integration", "euler, heun, rk4"),
    ("flow.class_conditional", "Condition the network on the class, if the data has classes", "true, false"),
    ("flow.class_dropout", "Share of training images without their class; guidance needs some",
     "0 to below 1"),
    ("flow.guidance", "Guidance of samples by their class: above 1, clearer and less varied images", "0 to 100"),
    ("flow.guidance_interval", "First and last time of guided velocities, of 0, noise, to 1, an image",
     "two numbers between 0 and 1, such as [0.2, 0.8]"),
    ("flow.spacing", "Exponent p of the times 1 − (1 − u)^p of training and integration: above 1, denser near the data",
     "1 to 4"),
    ("flow.x_waves", "Cosines and sines of each coordinate or pixel that linear layers see", "0 to 10"),
    ("vqvae.halvings", "Halvings of the image by the encoder", "1 or more"),
    ("vqvae.width", "Channels at the smallest size", "1 to 65536"),
    ("vqvae.residual", "Channels within a residual block", "1 to 65536"),
    ("vqvae.blocks", "Residual blocks in the encoder, and in the decoder", "0 to 256"),
    ("vqvae.quantiser", "Codes: those of a learnt codebook, or finite scalar quantisation (FSQ)", "codebook, fsq"),
    ("vqvae.levels", "Levels of each dimension of a code, of FSQ; at most 8192 combinations",
     "a list of 1 to 8 numbers from 2 to 255, such as [8, 5, 5, 5]"),
    ("vqvae.latent", "Dimensions of a code of the codebook", "1 to 65536"),
    ("vqvae.codes", "Codes in the codebook", "1 to 8192"),
    ("vqvae.commitment", "Weight of the commitment loss (β)", "0 or more"),
    ("vqvae.ema", "Decay of the codebook's running averages (EMA); 0 to train it by gradient", "0 to below 1"),
    ("vqvae.restart", "Average use below which a code restarts at a random latent; 0 for never", "0 or more"),
    ("prior.codes", "Run of the VQ-VAE whose codes the prior is trained on", "a run folder"),
    ("prior.checksum", "Checksum of that run's weights; filled in by training", "empty, or eight hexadecimal digits"),
    ("prior.width", "Channels of a layer", "1 to 65536"),
    ("prior.layers", "Layers", "1 to 256"),
    ("prior.kernel", "Height and width of a layer's window", "an odd number, 1 to 31"),
    ("prior.output", "Channels of the hidden output layer", "1 to 65536"),
    ("pixelcnn.levels", "Levels of grey of a pixel; 2 for black and white", "2 to 255"),
    ("pixelcnn.dither", "Draw one of a pixel's two nearest levels, so that their mean is the pixel's", "true, false"),
    ("pixelcnn.width", "Channels of a layer", "1 to 65536"),
    ("pixelcnn.layers", "Layers", "1 to 256"),
    ("pixelcnn.kernel", "Height and width of a layer's window", "an odd number, 1 to 31"),
    ("pixelcnn.output", "Channels of the hidden output layer", "1 to 65536"),
    ("pixelcnn.class_conditional", "Condition every layer on the class, if the data has classes", "true, false"),
    ("prior.class_conditional", "Condition every layer on the class, if the data has classes", "true, false"),
    ("wavenet.length", "Codes of a training window, at most data.length", "2 to data.length"),
    ("wavenet.width", "Channels of a layer", "1 to 65536"),
    ("wavenet.skip", "Channels of the skip connections", "1 to 65536"),
    ("wavenet.output", "Channels of the hidden output layer", "1 to 65536"),
    ("wavenet.kernel", "Taps of every convolution", "2 to 16"),
    ("wavenet.layers", "Layers of a block, with dilations of 1, 2, 4, …", "1 to 16"),
    ("wavenet.blocks", "Blocks", "1 or more, at most 256 layers in all"),
    ("wavenet.class_conditional", "Condition every layer on the class, if the data has classes", "true, false"),
    ("realnvp.latents", "Run of an autoencoder on whose latents the flow is trained; empty for points", "a run folder"),
    ("realnvp.checksum", "Checksum of that run's weights; filled in by training", "empty, or eight hexadecimal digits"),
    ("realnvp.coupling", "Functions of the couplings; planar functions need none", "affine, spline, planar"),
    ("realnvp.layers", "Couplings, each of which changes one half of the numbers by a network of the other, or planes",
     "2 to 64"),
    ("realnvp.hidden", "Widths of the linear layers of a coupling's network", "a list, such as [128, 128]"),
    ("realnvp.activation", "Activation of these layers", "relu, leaky_relu, tanh, sigmoid, softplus, silu, elu"),
    ("realnvp.x_waves", "Cosines and sines of each number that a coupling's network sees; 0 for none", "0 to 10"),
    ("realnvp.max_log_scale", "Bound of an affine coupling's logarithm of the scale", "above 0, at most 10"),
    ("realnvp.bins", "Bins of a spline", "2 to 128"),
    ("realnvp.bound", "Half the length of the interval that a spline divides into bins", "above 0"),
    ("realnvp.normalise", "Learn a scale and a shift of every number before the couplings", "true, false"),
    ("cyclegan.width", "Channels of a generator at the size of the image, doubled with each halving", "1 to 65536"),
    ("cyclegan.halvings", "Halvings of the image in a generator", "1 or more"),
    ("cyclegan.blocks", "Residual blocks of a generator; 0 for 6, or 9 for images of 256 pixels and more", "0 to 64"),
    ("cyclegan.skip", "Give the image to the last convolution of a generator too", "true, false"),
    ("cyclegan.discriminator_width", "Channels of a discriminator's first layer, doubled with each halving",
     "1 to 65536"),
    ("cyclegan.discriminator_halvings", "Halvings of the image in a discriminator: more make larger patches",
     "1 or more"),
    ("cyclegan.loss", "Loss on the scores of patches", "non_saturating, least_squares, hinge"),
    ("cyclegan.cycle_weight", "Weight of the error of images translated there and back", "0 or more"),
    ("cyclegan.identity_weight",
     "Weight of the error of images of the target set, which are to stay as they are; 0 for none", "0 or more"),
    ("cyclegan.pool", "Earlier translations from which the discriminators' are drawn; 0 for none", "0 to 4096"),
    ("paired.corrupt", "Corruption of images that the model learns to undo; none for pairs of two sets",
     "none, noise:0.2, mask:12, gray, down:2, blur:1.5, jpeg:20, with other numbers too"),
    ("paired.width", "Channels of the U-Net at the size of the image, doubled with each halving", "1 to 65536"),
    ("paired.halvings", "Halvings of the image by the U-Net", "0 or more"),
    ("paired.heads", "Heads of self-attention at the smallest size; 0 for none", "0, or a divisor of its channels"),
    ("paired.l1_weight", "Weight of the mean absolute error", "above 0"),
    ("paired.gan_weight", "Weight of the loss on the discriminator's scores; 0 for no discriminator", "0 or more"),
    ("paired.loss", "Loss on the scores of patches", "non_saturating, least_squares, hinge"),
    ("paired.discriminator_width", "Channels of the discriminator's first layer, doubled with each halving",
     "1 to 65536"),
    ("paired.discriminator_halvings", "Halvings of the image in the discriminator: more make larger patches",
     "1 or more"),
    ("classifier.channels", "Channels of the convolutions, each of which halves the image",
     "a list, such as [16, 32], or []"),
    ("classifier.hidden", "Widths of the linear layers before the last", "a list, such as [128]"),
];

/// The meaning of a setting and its allowed values; `None` without one of that name.
///
/// ```
/// let (meaning, values) = frit::config::meanings::of("data.channels").unwrap();
/// assert!(meaning.starts_with("Channels") && values == "0, 1, 3");
/// ```
pub fn of(key: &str) -> Option<(&'static str, &'static str)> {
    // A prior keeps the settings of its VQ-VAE, and a flow those of its autoencoder, which mean the same.
    let of_other = key.strip_prefix("prior.").filter(|key| key.starts_with("vqvae."));
    let of_coder = || key.strip_prefix("realnvp.").filter(|key| key.starts_with("ae.") || key.starts_with("vae."));
    let key = of_other.or_else(of_coder).unwrap_or(key);
    SETTINGS.iter().find(|(known, ..)| *known == key).map(|(_, meaning, values)| (*meaning, *values))
}

/// The configuration as TOML, with the meaning and the allowed values of each setting as a comment above it.
///
/// # Errors
/// A setting has no row in the table.
pub fn annotated(config: &Config) -> Result<String> {
    let mut section = String::new();
    let mut text = String::new();
    for line in config.to_toml()?.lines() {
        if let Some(name) = line.strip_prefix('[') {
            section = name.trim_end_matches(']').into();
            if section == "target" {
                text += "# Ranges of metrics that `frit verify` checks.\n";
            }
        } else if let (Some((name, _)), false) = (line.split_once(" = "), matches!(&*section, "" | "target")) {
            let key = format!("{section}.{name}");
            let (meaning, values) = of(&key).with_context(ErrorKind::Setting, || format!("{key} has no meaning"))?;
            text += &format!("# {meaning}: {values}.\n");
        }
        text += line;
        text.push('\n');
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::recipes::RECIPES;
    use models::{Activation, Family, GanLoss, Likelihood, OptimiserKind, Solver};
    use std::collections::BTreeSet;

    #[test]
    fn every_setting_has_a_row_and_every_row_a_setting() {
        let mut keys = BTreeSet::new();
        for family in Family::NAMES {
            keys.extend(Config::parse(&format!("family = \"{family}\""), "bare").unwrap().keys());
        }
        let (of_prior, keys): (BTreeSet<String>, BTreeSet<String>) =
            keys.into_iter().partition(|key: &String| key.starts_with("prior.vqvae."));
        assert!(!of_prior.is_empty() && of_prior.iter().all(|key| of(key) == of(&key["prior.".len()..])));
        assert!(["ae.hidden", "vae.beta"].iter().all(|key| of(key) == of(&format!("realnvp.{key}"))));
        let rows: BTreeSet<String> = SETTINGS.iter().map(|(key, ..)| key.to_string()).collect();
        assert_eq!(rows, keys);
        assert_eq!(rows.len(), SETTINGS.len(), "a key has two rows");
    }

    /// Each name of a row is accepted, and the rows have all names.
    #[test]
    fn allowed_values_are_complete() {
        let names = |key: &str| of(key).unwrap().1.split(", ").map(String::from).collect::<Vec<_>>();
        let kinds: Vec<_> = OptimiserKind::ALL.iter().map(|kind| kind.name()).collect();
        assert_eq!(names("optimiser.kind"), kinds);
        assert_eq!(names("vae.activation"), Activation::names());
        assert_eq!(names("ae.activation"), Activation::names());
        let losses: Vec<_> = GanLoss::ALL.iter().map(|loss| loss.name()).collect();
        assert_eq!(names("gan.loss"), losses);
        assert_eq!(names("vae.likelihood").len(), Likelihood::ALL.len());
        assert_eq!(names("flow.solver").len(), Solver::ALL.len());
        for (recipe, keys) in [
            ("vae", &["optimiser.kind", "optimiser.lr_schedule", "data.fit", "data.channels", "data.pairs"][..]),
            ("vae", &["vae.likelihood", "vae.activation", "vae.pool", "train.shuffle"]),
            ("gan", &["gan.loss", "gan.spectral"]),
            ("points-flow", &["flow.solver"]),
            ("points-realnvp", &["realnvp.coupling", "realnvp.activation", "realnvp.normalise"]),
        ] {
            for key in keys {
                for name in names(key) {
                    Config::load(recipe).unwrap().with(&format!("{key}={name}")).unwrap();
                }
            }
        }
        // A wrong name is answered with the same list.
        for key in ["optimiser.kind", "optimiser.lr_schedule", "data.fit", "vae.likelihood"] {
            let error = Config::load("vae").unwrap().with(&format!("{key}=nosuch")).unwrap_err().to_string();
            assert!(error.contains(&format!("expected one of {} ", of(key).unwrap().1)), "{key}: {error}");
        }
    }

    #[test]
    fn an_annotated_recipe_is_the_recipe() {
        for (name, _) in RECIPES {
            let config = Config::load(name).unwrap();
            let text = annotated(&config).unwrap();
            assert_eq!(Config::parse(&text, name).unwrap(), config);
            let comments = text.lines().filter(|line| line.starts_with("# ")).count();
            assert_eq!(comments, config.keys().len() + usize::from(!config.target.is_empty()), "{text}");
        }
    }
}
