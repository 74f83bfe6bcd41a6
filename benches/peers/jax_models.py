"""The five models in JAX: parameters as dictionaries, images as [n, h, w, c], Adam written out."""

import math

import jax
import jax.numpy as jnp
from jax import lax
from protocol import VARIANCE

LAYOUT = ("NHWC", "HWIO", "NHWC")


def layer(key, *shape, fan, bias=True):
    """Weights and, unless they are normalised next, a bias, as PyTorch starts them."""
    bound = 1 / math.sqrt(fan)
    keys = jax.random.split(key)
    weights = {"w": jax.random.uniform(keys[0], shape, minval=-bound, maxval=bound)}
    return weights | ({"b": jax.random.uniform(keys[1], shape[-1:], minval=-bound, maxval=bound)} if bias else {})


def dense(key, inputs, outputs):
    return layer(key, inputs, outputs, fan=inputs)


def window(key, inputs, outputs, size, bias=True):
    return layer(key, size, size, inputs, outputs, fan=inputs * size * size, bias=bias)


def norm(channels):
    return {"scale": jnp.ones(channels), "shift": jnp.zeros(channels)}


def linear(p, x):
    return x @ p["w"] + p["b"]


def conv(p, x, stride=1, pad=0):
    y = lax.conv_general_dilated(x, p["w"], (stride, stride), [(pad, pad)] * 2, dimension_numbers=LAYOUT)
    return y + p["b"] if "b" in p else y


def half(p, x):
    return conv(p, x, 2, 1)


def transposed(p, x, stride, pad):
    outer = p["w"].shape[0] - 1 - pad
    y = lax.conv_transpose(x, p["w"], (stride, stride), [(outer, outer)] * 2, dimension_numbers=LAYOUT)
    return y + p["b"] if "b" in p else y


def double(p, x):
    return transposed(p, x, 2, 1)


def batch_norm(p, running, x):
    """By the batch's statistics, and the running ones after it."""
    mean, variance = x.mean((0, 1, 2)), x.var((0, 1, 2))
    count = x.size / x.shape[-1]
    moved = {"mean": 0.9 * running["mean"] + 0.1 * mean,
             "variance": 0.9 * running["variance"] + 0.1 * variance * count / (count - 1)}
    return (x - mean) * lax.rsqrt(variance + 1e-5) * p["scale"] + p["shift"], moved


def leaky(x):
    return jnp.where(x > 0, x, 0.2 * x)


def adam(params, moments, grads, step, lr=1e-3, beta1=0.9, beta2=0.999, epsilon=1e-8):
    """One step, counted from one."""
    first = jax.tree.map(lambda m, g: beta1 * m + (1 - beta1) * g, moments[0], grads)
    second = jax.tree.map(lambda v, g: beta2 * v + (1 - beta2) * g * g, moments[1], grads)
    scale, root = lr / (1 - beta1**step), jnp.sqrt(1 - beta2**step)
    moved = jax.tree.map(lambda p, m, v: p - scale * m / (jnp.sqrt(v) / root + epsilon), params, first, second)
    return moved, (first, second)


def moments(params):
    zeros = jax.tree.map(jnp.zeros_like, params)
    return zeros, jax.tree.map(jnp.zeros_like, params)


def vae(key, convolutional):
    keys = iter(jax.random.split(key, 9))
    inner, latent = (256, 32) if convolutional else (400, 20)
    wide = 3136 if convolutional else 784
    params = {"inner": dense(next(keys), wide, inner), "mean": dense(next(keys), inner, latent),
              "logvar": dense(next(keys), inner, latent), "outer": dense(next(keys), latent, inner),
              "wide": dense(next(keys), inner, wide)}
    if convolutional:
        params["down"] = [window(next(keys), 1, 32, 4), window(next(keys), 32, 64, 4)]
        params["up"] = [window(next(keys), 64, 32, 4), window(next(keys), 32, 1, 4)]
    return params


def vae_decode(params, z):
    """Logits."""
    h = linear(params["wide"], jax.nn.relu(linear(params["outer"], z)))
    if "up" not in params:
        return h
    h = jax.nn.relu(h).reshape(-1, 7, 7, 64)
    return double(params["up"][1], jax.nn.relu(double(params["up"][0], h)))


def vae_loss(params, x, key):
    """-ELBO with Bernoulli pixels from logits, twice: as the loss and as what is reported."""
    h = x
    for p in params.get("down", []):
        h = jax.nn.relu(half(p, h))
    h = jax.nn.relu(linear(params["inner"], h.reshape(x.shape[0], -1)))
    mean, logvar = linear(params["mean"], h), linear(params["logvar"], h)
    z = mean + jnp.exp(0.5 * logvar) * jax.random.normal(key, mean.shape)
    logits = vae_decode(params, z)
    recon = (jnp.maximum(logits, 0) - logits * x + jnp.log1p(jnp.exp(-jnp.abs(logits)))).sum()
    kl = 0.5 * (mean**2 + jnp.exp(logvar) - logvar - 1).sum()
    loss = (recon + kl) / x.shape[0]
    return loss, loss


def residual(keys):
    return {"inner": window(next(keys), 128, 32, 3), "outer": window(next(keys), 32, 128, 1)}


def vqvae(key):
    keys = iter(jax.random.split(key, 16))
    return {
        "down": [window(next(keys), 3, 64, 4), window(next(keys), 64, 128, 4)],
        "encoder": window(next(keys), 128, 128, 3), "encoder_blocks": [residual(keys), residual(keys)],
        "code": window(next(keys), 128, 64, 1),
        "codebook": jax.random.uniform(next(keys), (512, 64), minval=-1 / 512, maxval=1 / 512),
        "decoder": window(next(keys), 64, 128, 3), "decoder_blocks": [residual(keys), residual(keys)],
        "up": [window(next(keys), 128, 64, 4), window(next(keys), 64, 3, 4)],
    }


def blocks(params, h):
    for p in params:
        h = h + conv(p["outer"], jax.nn.relu(conv(p["inner"], jax.nn.relu(h), 1, 1)))
    return jax.nn.relu(h)


def vqvae_loss(params, x, key):
    """The whole loss, and the part of it that is the error of the image."""
    h = x
    for p in params["down"]:
        h = jax.nn.relu(half(p, h))
    z = conv(params["code"], blocks(params["encoder_blocks"], conv(params["encoder"], h, 1, 1)))
    rows, codes = lax.stop_gradient(z.reshape(-1, 64)), lax.stop_gradient(params["codebook"])
    # |z|^2 is the same for all codes.
    nearest = jnp.argmin((codes**2).sum(1) - 2 * rows @ codes.T, 1)
    q = params["codebook"][nearest].reshape(z.shape)
    codebook, commitment = ((q - lax.stop_gradient(z)) ** 2).mean(), ((z - lax.stop_gradient(q)) ** 2).mean()
    h = blocks(params["decoder_blocks"], conv(params["decoder"], z + lax.stop_gradient(q - z), 1, 1))
    output = double(params["up"][1], jax.nn.relu(double(params["up"][0], h)))
    error = ((output - x) ** 2).mean() / VARIANCE
    return error + codebook + 0.25 * commitment, error


def gan(key):
    """Parameters of both, and the running statistics of their normalisations."""
    keys = iter(jax.random.split(key, 8))
    generator = {"up": [window(next(keys), 100, 256, 4, False), window(next(keys), 256, 128, 4, False),
                        window(next(keys), 128, 64, 4, False)],
                 "norms": [norm(256), norm(128), norm(64)], "last": window(next(keys), 64, 1, 4)}
    discriminator = {"first": window(next(keys), 1, 64, 4),
                     "down": [window(next(keys), 64, 128, 4, False), window(next(keys), 128, 256, 4, False)],
                     "norms": [norm(128), norm(256)], "last": window(next(keys), 256, 1, 4)}
    still = lambda p: [{"mean": n["shift"] * 0, "variance": n["scale"] * 1} for n in p["norms"]]
    return (generator, discriminator), (still(generator), still(discriminator))


def generate(params, running, z):
    h, moved = z, []
    for i, (p, n) in enumerate(zip(params["up"], params["norms"])):
        h, state = batch_norm(n, running[i], transposed(p, h, 1, 0) if i == 0 else double(p, h))
        h = jax.nn.relu(h)
        moved.append(state)
    return jnp.tanh(double(params["last"], h)), moved


def score(params, running, x):
    h, moved = leaky(half(params["first"], x)), []
    for p, n, state in zip(params["down"], params["norms"], running):
        h, state = batch_norm(n, state, half(p, h))
        h = leaky(h)
        moved.append(state)
    return conv(params["last"], h), moved


def gan_step(state, real, key, step):
    """One step of D, on real and on generated images, each normalised by its own batch, and one of G."""
    (g, d), (g_run, d_run), (g_moments, d_moments) = state
    keys = jax.random.split(key)
    latents = lambda key: jax.random.normal(key, (real.shape[0], 1, 1, 100))
    fake, g_run = generate(g, g_run, latents(keys[0]))

    def d_loss(d):
        of_real, run = score(d, d_run, real)
        of_fake, run = score(d, run, lax.stop_gradient(fake))
        return jax.nn.softplus(-of_real).mean() + jax.nn.softplus(of_fake).mean(), run

    (loss, d_run), grads = jax.value_and_grad(d_loss, has_aux=True)(d)
    d, d_moments = adam(d, d_moments, grads, step, 2e-4, 0.5)

    def g_loss(g):
        images, g_moved = generate(g, g_run, latents(keys[1]))
        scores, d_moved = score(d, d_run, images)
        return jax.nn.softplus(-scores).mean(), (g_moved, d_moved)

    (_, (g_run, d_run)), grads = jax.value_and_grad(g_loss, has_aux=True)(g)
    g, g_moments = adam(g, g_moments, grads, step, 2e-4, 0.5)
    return ((g, d), (g_run, d_run), (g_moments, d_moments)), loss


def flow_block(keys, inputs, outputs):
    p = {"norm1": norm(inputs), "conv1": window(next(keys), inputs, outputs, 3), "time": dense(next(keys), 48, outputs),
         "norm2": norm(outputs), "conv2": window(next(keys), outputs, outputs, 3)}
    return p if inputs == outputs else p | {"skip": window(next(keys), inputs, outputs, 1)}


def flow(key):
    """Flow matching of images of 28x28x1 by a U-Net of 12, 24 and 48 channels."""
    keys = iter(jax.random.split(key, 32))
    return {
        "time": [dense(next(keys), 12, 48), dense(next(keys), 48, 48)],
        "input": window(next(keys), 1, 12, 3), "output": window(next(keys), 12, 1, 3),
        "down": [flow_block(keys, 12, 12), flow_block(keys, 24, 24)], "middle": flow_block(keys, 48, 48),
        "halve": [window(next(keys), 12, 24, 4), window(next(keys), 24, 48, 4)],
        "double": [window(next(keys), 24, 12, 4), window(next(keys), 48, 24, 4)],
        "up": [flow_block(keys, 24, 12), flow_block(keys, 48, 24)], "norm": norm(12),
    }


def group_norm_silu(p, x):
    """In groups of at least four channels, at most eight of them."""
    channels = x.shape[-1]
    h = x.reshape(*x.shape[:3], min(8, channels // 4), -1)
    mean, variance = h.mean((1, 2, 4), keepdims=True), h.var((1, 2, 4), keepdims=True)
    return jax.nn.silu(((h - mean) * lax.rsqrt(variance + 1e-5)).reshape(x.shape) * p["scale"] + p["shift"])


def flow_block_of(p, x, e):
    h = conv(p["conv1"], group_norm_silu(p["norm1"], x), 1, 1) + linear(p["time"], e)[:, None, None]
    kept = conv(p["skip"], x) if "skip" in p else x
    return kept + conv(p["conv2"], group_norm_silu(p["norm2"], h), 1, 1)


def velocity(params, x, t):
    angles = t[:, None] * jnp.pi * 2 ** jnp.arange(6)
    e = jnp.concatenate([jnp.cos(angles), jnp.sin(angles)], 1)
    for p in params["time"]:
        e = jax.nn.silu(linear(p, e))
    h, kept = conv(params["input"], x, 1, 1), []
    for block, halve in zip(params["down"], params["halve"]):
        kept.append(flow_block_of(block, h, e))
        h = half(halve, kept[-1])
    h = flow_block_of(params["middle"], h, e)
    for level in (1, 0):
        both = jnp.concatenate([double(params["double"][level], h), kept[level]], -1)
        h = flow_block_of(params["up"][level], both, e)
    return conv(params["output"], group_norm_silu(params["norm"], h), 1, 1)


def flow_loss(params, x, key):
    """The mean squared error of the velocity, twice: as the loss and as what is reported."""
    keys = jax.random.split(key)
    z, t = jax.random.normal(keys[0], x.shape), jax.random.uniform(keys[1], x.shape[:1])
    part = t[:, None, None, None]
    loss = ((velocity(params, (1 - part) * z + part * x, t) - (x - z)) ** 2).mean()
    return loss, loss
