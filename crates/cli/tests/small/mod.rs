//! Small models of every recipe, in steps of four micro-batches, the last of an epoch of two or three.

use crate::place::Place;

/// Flags of models on images, without the data, the length and [`DIVIDED`].
pub(crate) const MODELS: &[&str] = &[
    "vae --hidden 16 --latent-dim 3 --set optimiser.clip=1 --set optimiser.average=0.9",
    "cvae --hidden 8 --latent-dim 3 --set data.shard=130",
    "conv-vae --latent-dim 2 --hidden 8 --set vae.channels=[3] --set optimiser.kind=adamw",
    "ae --hidden 8 --latent-dim 3",
    "classifier --hidden 8 --set classifier.channels=[3] --set data.mirror=true --set data.crop=1",
    "gan --hidden 8 --latent-dim 3 --set gan.discriminator_steps=2 --set optimiser.average=0.9",
    "dcgan --latent-dim 3 --set gan.width=2",
    "dcgan --latent-dim 3 --set gan.width=2 --set gan.spectral=true",
    "wgan-gp --latent-dim 3 --set gan.width=2 --set gan.discriminator_steps=2 --set gan.penalty_every=2",
    "vqvae --latent-dim 2 --set vqvae.width=4 --set vqvae.codes=6 --set vqvae.residual=3 --set vqvae.restart=1",
    "vqvae --latent-dim 2 --set vqvae.width=4 --set vqvae.codes=6 --set vqvae.residual=3 --set vqvae.ema=0 \
     --set vqvae.restart=0",
    "fsq-vae --set vqvae.width=4 --set vqvae.levels=[3,2] --set vqvae.residual=3",
    "flow-matching --set flow.width=2 --set flow.halvings=1 --set flow.steps=2",
    "pixelcnn --set pixelcnn.width=4 --set pixelcnn.layers=2 --set pixelcnn.output=5",
    "cyclegan --data-b data --set cyclegan.width=2 --set cyclegan.blocks=1 --set cyclegan.pool=50 \
     --set cyclegan.discriminator_width=2 --set cyclegan.discriminator_halvings=1",
    "paired --data-b data --set paired.width=3 --set paired.halvings=1 --set paired.discriminator_width=2 \
     --set paired.discriminator_halvings=1",
    "restoration --corrupt mask:3 --set paired.width=3 --set paired.halvings=1 --set data.shard=100",
    "dcgan-small --latent-dim 3 --set gan.width=2 --set gan.penalty_every=3",
    "pool-vae --latent-dim 2 --hidden 8 --set vae.channels=[3]",
    "cgan --hidden 8 --latent-dim 3",
];

/// Ten steps to an epoch.
pub(crate) const DIVIDED: &str = "--batch-size 32 --micro-batch 8 -q";

/// All flags but the length of models on points, on sequences, and on the latents or codes of [`put_runs`].
pub(crate) const OTHERS: &[&str] = &[
    "points-gan --hidden 8 --set data.points=90 --batch-size 30 --micro-batch 8 -q",
    "points-flow --hidden 8 --set flow.steps=2 --set data.points=90 --batch-size 30 --micro-batch 8 -q",
    "points-realnvp --hidden 8 --set data.points=90 --batch-size 30 --micro-batch 8 -q",
    "prior --codes vqvae --set prior.width=4 --set prior.layers=2 --set prior.output=5 --set data.shard=100 \
     --batch-size 32 --micro-batch 8 -q",
    "realnvp --latents ae --hidden 8 --batch-size 32 --micro-batch 8 -q",
    "wavenet --set wavenet.width=4 --set wavenet.layers=2 --set wavenet.blocks=1 --batch-size 8 --micro-batch 2 -q",
];

/// Trains the runs `vqvae` and `ae`.
pub(crate) fn put_runs(place: &Place) {
    let vqvae = "vqvae --latent-dim 2 --set vqvae.width=4 --set vqvae.codes=6 --set vqvae.residual=3";
    for (model, run) in [(vqvae, "vqvae"), ("ae --hidden 8 --latent-dim 3", "ae")] {
        place.done(&format!("train {model} --data data --batch-size 32 --epochs 1 --device cpu --out {run} -q"));
    }
}
