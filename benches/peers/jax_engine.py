"""frit's workloads on JAX: jax_engine.py <step|scan> [--seconds S]; on what jax itself chooses."""

import argparse
import functools
import os

import jax
import jax.numpy as jnp
import jax_models as models
from jax import lax
from protocol import CONVOLUTION_FLOPS, PRODUCTS, Engine, Workload, serve

SCANNED = {"mlp-vae": 64}  # steps in one call of the scanned form; of the others, which are longer, eight


def numbers(tree):
    return sum(leaf.size for leaf in jax.tree.leaves(tree))


class Training(Workload):
    """`once(state, x, key, step)` gives the state after it and a loss; the state is given away."""

    def __init__(self, scanned, once, state, trained, x):
        self.parameters, self.state, self.x = numbers(trained), state, x
        self.key, self.count, self.steps = jax.random.key(1), jnp.float32(1), scanned or 1

        def one(carry, _, x):
            state, key, count = carry
            key, now = jax.random.split(key)
            state, loss = once(state, x, now, count)
            return (state, key, count + 1), loss

        def many(state, key, count, x):
            if not scanned:
                return one((state, key, count), None, x)
            carry, losses = lax.scan(functools.partial(one, x=x), (state, key, count), length=scanned)
            return carry, losses[-1]

        self.call = jax.jit(many, donate_argnums=(0, 1, 2))

    def step(self):
        (self.state, self.key, self.count), self.last = self.call(self.state, self.key, self.count, self.x)

    def result(self):
        return self.state, self.last

    def loss(self):
        return float(self.last)


def single(scanned, loss, params, x):
    """One network under Adam."""

    def once(state, x, key, step):
        params, moments = state
        (_, metrics), grads = jax.value_and_grad(loss, has_aux=True)(params, x, key)
        return models.adam(params, moments, grads, step), metrics

    return Training(scanned, once, (params, models.moments(params)), params, x)


def gan(scanned, key, real):
    params, running = models.gan(key)
    state = (params, running, tuple(models.moments(p) for p in params))
    return Training(scanned, models.gan_step, state, params, real)


class Kernel(Workload):
    """Something that is computed and dropped."""

    def __init__(self, call, *inputs, flops=None):
        self.call, self.inputs, self.flops = jax.jit(call), inputs, flops

    def step(self):
        self.y = self.call(*self.inputs)

    def result(self):
        return self.y


def build(scan, name):
    keys, scanned = jax.random.split(jax.random.key(0), 3), scan and SCANNED.get(name, 8)
    uniform = lambda key, shape, low, high: jax.random.uniform(key, shape, minval=low, maxval=high)
    if name == "mlp-vae":
        return single(scanned, models.vae_loss, models.vae(keys[0], False), uniform(keys[1], (128, 784), 0, 1))
    if name == "conv-vae":
        return single(scanned, models.vae_loss, models.vae(keys[0], True), uniform(keys[1], (128, 28, 28, 1), 0, 1))
    if name == "vqvae":
        return single(scanned, models.vqvae_loss, models.vqvae(keys[0]), uniform(keys[1], (32, 32, 32, 3), -0.5, 0.5))
    if name == "dcgan":
        return gan(scanned, keys[0], uniform(keys[1], (64, 32, 32, 1), -1, 1))
    if name == "flow-matching":
        return single(scanned, models.flow_loss, models.flow(keys[0]), uniform(keys[1], (64, 28, 28, 1), -1, 1))
    if scan:
        raise LookupError("a scan is of training steps")
    if name in PRODUCTS:
        side = PRODUCTS[name]
        a, b = (uniform(key, (side, side), -0.5, 0.5) for key in keys[:2])
        return Kernel(lambda a, b: a @ b, a, b, flops=2 * side**3)
    if name == "convolution":
        x, w = uniform(keys[0], (32, 32, 32, 64), -0.5, 0.5), uniform(keys[1], (3, 3, 64, 64), -0.5, 0.5)
        return Kernel(lambda x, w: models.conv({"w": w}, x, 1, 1), x, w, flops=CONVOLUTION_FLOPS)
    if name == "decode":
        params, z = models.vae(keys[0], False), jax.random.normal(keys[1], (10_000, 20))
        return Kernel(lambda params, z: jax.nn.sigmoid(models.vae_decode(params, z)), params, z)
    raise LookupError(f"no workload is called {name}")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("mode", choices=("step", "scan"))
    parser.add_argument("--seconds", type=float, default=2)
    args = parser.parse_args()
    # Single precision is requested, as everywhere here, since a GPU could round to fewer bits.
    jax.config.update("jax_default_matmul_precision", "highest")

    def versions():
        device = jax.devices()[0]
        return {"jax": jax.__version__, "device": device.device_kind, "platform": device.platform,
                "devices": str(jax.devices()), "threads": len(os.sched_getaffinity(0))}

    sync = lambda workload: jax.block_until_ready(workload.result())
    serve(Engine(lambda name: build(args.mode == "scan", name), sync, versions, args.seconds))


if __name__ == "__main__":
    main()
